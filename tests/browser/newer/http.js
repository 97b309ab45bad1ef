// The newer frontends' HTTP client: JSON when the answer says so, else text; errors are texts.

import { API_URL, session } from "../env.js";

export async function http(method, path, body) {
  const headers = { Authorization: `Bearer ${session.token}` };
  if (body) headers["Content-Type"] = "application/json";
  const response = await fetch(`${API_URL}/api/messaging${path}`, { method, headers, body: body && JSON.stringify(body) });
  const isJson = response.headers.get("content-type")?.includes("application/json");
  const answer = isJson ? await response.json() : await response.text();
  if (!response.ok) throw new Error(`HTTP ${response.status}: ${answer?.message ?? response.statusText}`);
  return answer;
}

/** The thread about a campaign. None may be said in three ways. */
export async function campaignThread(campaignId) {
  try {
    return (await http("GET", `/campaigns/${campaignId}/thread`)) || null;
  } catch (error) {
    if (error.message.includes("404")) return null;
    throw error;
  }
}
