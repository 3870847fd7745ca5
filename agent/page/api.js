// Requests to the agent, with the token that this tab keeps.

const KEY = "token";
// How long a view that is read again and again waits for an answer, in ms.
const LIMIT = 20000;

// An error as the agent reports it: `told` is its problem document, or says that it cannot be reached.
export class Problem extends Error {
  constructor(told) {
    super(told.detail);
    this.told = told;
  }
}

// A request without a valid token; the event `tokenneeded` has the page ask for one.
export class TokenNeeded extends Error {}

export function keepToken(token) {
  if (token) sessionStorage.setItem(KEY, token);
  else sessionStorage.removeItem(KEY);
}

export function hasToken() {
  return sessionStorage.getItem(KEY) !== null;
}

// Sends a request. as: `json`, `text` or `blob`, which its body is returned as. limit: how long to wait for
// all of it, in ms. Throws a Problem, or TokenNeeded at 401.
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
export const blob = (path) => send(path, { accept: "text/plain", as: "blob" });

// Returns the health, failing or not.
export async function health() {
  try {
    return await get("/health");
  } catch (error) {
    // A failing one is a 503 with the same body.
    if (error.told?.libvirt) return error.told;
    throw error;
  }
}

// Begins a change, which goes on by itself; returns its operation.
export const change = (method, path, body) => send(path, { method, body, prefer: "respond-async" });

// Returns what a change would do, as a script; nothing is changed.
export const dryRun = (method, path, body) => send(`${path}?dry_run=true`, { method, body, accept: "text/x-shellscript", as: "text" });

export const script = (id) => text(`/operations/${id}`, "text/x-shellscript");
// A name in a path. Without one the path would be another; the agent refuses a space in its words.
const segment = (name) => encodeURIComponent(name || " ");
// The address of a view is that of what it shows, after a `#`.
export const hostPath = (name, rest = "") => `/hosts/${segment(name)}${rest}`;
export const snapshotPath = (name, snapshot, rest = "") => hostPath(name, `/snapshots/${segment(snapshot)}${rest}`);
export const networkPath = (name) => `/networks/${segment(name)}`;

// Returns what was read and "", or null and why the agent does not give it.
export async function orWhy(reading) {
  try {
    return [await reading, ""];
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return [null, error.message];
  }
}

// Returns a function that reads, and draws what was read, unless it was called again meanwhile: the later
// read shows what a change has done since. It returns what `draw` does.
export function latest(read, draw) {
  let turn = 0;
  return async () => {
    const mine = (turn += 1);
    const found = await read();
    return mine === turn ? draw(found) : undefined;
  };
}

// Waits so long, and then until the tab is visible: a hidden one asks for nothing.
export async function pause(milliseconds) {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  while (document.hidden) await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

export const isUnderWay = ({ status }) => ["running", "waiting"].includes(status);

// Waits for the end of an operation, and returns it. told: is called with it after each read, and with
// the last one and a reason when it cannot be read.
export async function ended(id, told) {
  const began = performance.now();
  let now;
  for (;;) {
    try {
      now = await get(`/operations/${id}`);
      told(now);
      if (!isUnderWay(now)) return now;
    } catch (error) {
      // It goes on, whether or not the agent can be reached meanwhile.
      if (error.told?.status !== 0) throw error;
      if (now) told(now, error.message);
    }
    await pause(performance.now() - began < 10000 ? 400 : 1000);
  }
}
