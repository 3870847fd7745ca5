// Requests to the agent, with the token that this tab keeps.

const KEY = "token";
// How long a view that is read anew all the time waits for an answer, in ms.
const LIMIT = 20000;

// An error as the agent has told it: a problem document, or that it could not be reached.
export class Problem extends Error {
  constructor(told) {
    super(told.detail);
    this.told = told;
  }
}

// Nothing can be shown until somebody gives a token; `tokenneeded` tells the page so.
export class TokenNeeded extends Error {}

export function keepToken(token) {
  if (token) sessionStorage.setItem(KEY, token);
  else sessionStorage.removeItem(KEY);
}

export function hasToken() {
  return sessionStorage.getItem(KEY) !== null;
}

// Answers the body, as `json`, `text` or `blob`. limit: how long to wait for all of it, in ms.
async function send(path, { method = "GET", body, accept = "application/json", prefer, as = "json", limit } = {}) {
  const headers = { Accept: accept };
  const token = sessionStorage.getItem(KEY);
  if (token) headers.Authorization = `Bearer ${token}`;
  if (prefer) headers.Prefer = prefer;
  const signal = limit && AbortSignal.timeout(limit);
  let answer;
  // A browser drops what it is about to read when its network changes: a read is tried once more.
  for (let left = method === "GET" ? 1 : 0; ; left -= 1) {
    try {
      answer = await fetch(path, { method, headers, signal, cache: "no-store", body: body === undefined ? undefined : JSON.stringify(body) });
      // It may also end in the middle of its answer.
      if (answer.ok) return await answer[as]();
      break;
    } catch {
      if (left === 0) throw new Problem({ status: 0, detail: "the agent does not answer" });
      await pause(250);
    }
  }
  if (answer.status === 401) {
    const error = new TokenNeeded(token ? "The agent does not know this token, or it was revoked." : "");
    // Another one may have been given meanwhile.
    if (token === sessionStorage.getItem(KEY)) window.dispatchEvent(new CustomEvent("tokenneeded", { detail: error.message }));
    throw error;
  }
  const told = await answer.json().catch(() => ({}));
  throw new Problem({ detail: answer.statusText || "an error without a word", ...told, status: answer.status });
}

export const get = (path) => send(path, { limit: LIMIT });
export const picture = (path) => send(path, { accept: "image/png", as: "blob", limit: LIMIT });
export const text = (path, accept = "text/plain") => send(path, { accept, as: "text" });
export const blob = (path, accept = "text/plain") => send(path, { accept, as: "blob" });

// The health, failing or not.
export async function health() {
  try {
    return await get("/health");
  } catch (error) {
    // A failing one is a 503 with the same body.
    if (error.told?.libvirt) return error.told;
    throw error;
  }
}

// A change that goes on by itself; answers its operation.
export const change = (method, path, body) => send(path, { method, body, prefer: "respond-async" });

// What a change would do, as a script; nothing is changed.
export const dryRun = (method, path, body) => send(`${path}?dry_run=true`, { method, body, accept: "text/x-shellscript", as: "text" });

export const script = (id) => text(`/operations/${id}`, "text/x-shellscript");
export const host = (name, rest = "") => `/hosts/${encodeURIComponent(name)}${rest}`;
export const network = (name) => `/networks/${encodeURIComponent(name)}`;

// Waits so long, and further until the tab is seen: a hidden one asks nothing.
export async function pause(milliseconds) {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  while (document.hidden) await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

// Waits for the end of an operation, and answers it. told: is given it each time it was read, and
// once more, with why, each time it could not be.
export async function ended(id, told) {
  const began = performance.now();
  let now;
  for (;;) {
    try {
      now = await get(`/operations/${id}`);
      told(now);
      if (!["running", "waiting"].includes(now.status)) return now;
    } catch (error) {
      // It goes on, whether or not the agent can be reached meanwhile.
      if (error.told?.status !== 0) throw error;
      if (now) told(now, error.message);
    }
    await pause(performance.now() - began < 10000 ? 400 : 1000);
  }
}
