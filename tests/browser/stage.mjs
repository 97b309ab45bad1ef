// A headless browser, the pages bundled for it and the small server, of another origin than Tidings, that serves them.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { assert, atEnd, step, url, users, world } from "../node/lib.mjs";

/** How long the page may take to show something, in milliseconds. Only failing scenarios ever reach it. */
export const DEADLINE = 30_000;

const here = import.meta.dirname;
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8" };

/** Bundles a page into the scenario's own folder. */
export async function bundle(name) {
  const folder = join(world.bundles, name);
  await mkdir(folder, { recursive: true });
  await build({
    entryPoints: [join(here, name, "main.jsx")],
    outfile: join(folder, "main.js"),
    bundle: true,
    format: "esm",
    jsx: "automatic",
    logLevel: "warning",
    // With React's own warnings: one of them would be a failure.
    define: { "process.env.NODE_ENV": '"development"' },
    jsxDev: true,
    sourcemap: "inline",
  });
  await writeFile(join(folder, "page.css"), await readFile(join(here, "page.css")));
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>${name}</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/page.css"><div id="root"></div><script src="/env.js"></script>
<script type="module" src="/main.js"></script></html>`;
  await writeFile(join(folder, "index.html"), html);
  return folder;
}

/** Serves a folder on a port of its own and gives the origin. `env` is read at each request: it may name a later server. */
export async function serve(folder, env) {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, "http://page").pathname;
    const name = path === "/" ? "index.html" : path.slice(1);
    try {
      const body = name === "env.js" ? `window.ENV = ${JSON.stringify(env())};` : await readFile(join(folder, name));
      response.writeHead(200, { "content-type": TYPES[extname(name)] ?? "text/plain" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  atEnd(() => server.closeAllConnections());
  return `http://127.0.0.1:${server.address().port}`;
}

/** Where a page finds Tidings, as its environment says. */
export const environment = () => ({ WEBSOCKET_URL: `${url.replace("http", "ws")}/messaging`, API_URL: url });

export async function browser() {
  const args = ["--no-sandbox", "--disable-dev-shm-usage"];
  const launched = await chromium.launch({ executablePath: world.chromium, args, timeout: DEADLINE });
  atEnd(() => launched.close());
  return launched;
}

/** A browser profile of its own with one tab, which fails the scenario by anything the console calls an error. */
export class Tab {
  static async open(launched, origin, parameters) {
    const self = new Tab();
    self.errors = [];
    self.context = await launched.newContext({ viewport: { width: 900, height: 560 } });
    self.context.setDefaultTimeout(DEADLINE);
    self.page = await self.context.newPage();
    self.page.on("pageerror", (error) => self.errors.push(String(error.stack ?? error)));
    self.page.on("console", (message) => message.type() === "error" && self.errors.push(`${message.text()} ${message.location().url}`));
    await self.page.goto(`${origin}/#${new URLSearchParams(parameters)}`);
    return self;
  }

  /** Waits until exactly one element is there. */
  async shows(selector, hasText) {
    const found = this.page.locator(selector, hasText === undefined ? undefined : { hasText });
    await found.first().waitFor({ state: "visible" }).catch((error) => this.#fail(`no ${selector} ${hasText ?? ""}`, error));
    assert.equal(await found.count(), 1, `${selector} ${hasText ?? ""} more than once`);
    return found;
  }

  async hides(selector, { timeout = DEADLINE } = {}) {
    const found = this.page.locator(selector);
    await found.first().waitFor({ state: "hidden", timeout }).catch((error) => this.#fail(`still ${selector}`, error));
  }

  async #fail(what, cause) {
    await this.shot(`failed ${what}`.replace(/\W+/g, "-"));
    throw new Error(`${what}; the page: ${await this.page.locator("body").innerText()}; errors: ${this.errors.join("\n")}`, { cause });
  }

  /** The texts of the messages shown, in order. */
  async messages() {
    // The newest stands first in the document.
    return this.page.locator(".message").evaluateAll((all) =>
      all.reverse().map((one) => [...one.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join("")),
    );
  }

  async say(text) {
    const input = this.page.locator(".message-input input");
    await input.fill(text);
    await input.press("Enter");
  }

  async shot(name) {
    await mkdir(world.shots, { recursive: true });
    await this.page.screenshot({ path: join(world.shots, `${name}.png`) });
  }

  /** Nothing in the console but what `expected` matches. */
  assertQuiet(expected) {
    const odd = this.errors.filter((text) => !expected?.test(text));
    assert.deepEqual(odd, []);
  }
}

export { step, users };
