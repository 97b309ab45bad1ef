// Who sits at the pages, with tokens as their host would sign them.

import { createHmac } from "node:crypto";
import { secret } from "../node/lib.mjs";

const part = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A token of the host's own making. */
export function sign(claims) {
  const now = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ iat: now, exp: now + 3600, ...claims })}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

function person(id, role, name) {
  return { id, role, name, token: sign({ sub: id, role, name }) };
}

export const people = () => ({
  alice: person("6f1c2a44-9d0b-4a57-8f0e-1b7f3c5d9e01", "ADVERTISER", "Alice Advertiser"),
  bob: person("0b9d8e7c-6a5f-4e3d-9c2b-a1f0e9d8c7b6", "PROMOTER", "Bob Promoter"),
});
