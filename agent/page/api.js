// Requests to the agent, with the token that this tab keeps.

const KEY = "token";
// Why nothing can be shown until somebody gives a token.
export class TokenNeeded extends Error {}

// An error as the agent has told it: a problem document, or that it could not be reached.
export class Problem extends Error {
  constructor(told) {
    super(told.detail);
    this.told = told;
  }

  // What is wrong with a field of a form.
  of(field) {
    return (this.told.errors ?? []).filter((each) => each.field === field || each.field.startsWith(`${field}[`) || each.field.startsWith(`${field}.`));
  }
}

export function keepToken(token) {
  if (token) sessionStorage.setItem(KEY, token);
  else sessionStorage.removeItem(KEY);
}

export function hasToken() {
  return sessionStorage.getItem(KEY) !== null;
}

async function send(path, { method = "GET", body, accept = "application/json", prefer } = {}) {
  const headers = { Accept: accept };
  const token = sessionStorage.getItem(KEY);
  if (token) headers.Authorization = `Bearer ${token}`;
  if (prefer) headers.Prefer = prefer;
  let answer;
  try {
    answer = await fetch(path, { method, headers, cache: "no-store", body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Problem({ status: 0, detail: "the agent does not answer" });
  }
  if (answer.status === 401) throw new TokenNeeded(token ? "The agent does not know this token, or it was revoked." : "");
  if (!answer.ok) {
    let told;
    try {
      told = await answer.json();
    } catch {
      told = {};
    }
    throw new Problem({ status: answer.status, detail: answer.statusText || "an error without a word", ...told });
  }
  return answer;
}

export async function get(path) {
  return (await send(path)).json();
}

export async function text(path, accept = "text/plain") {
  return (await send(path, { accept })).text();
}

export async function blob(path) {
  return (await send(path, { accept: "image/png" })).blob();
}

// A change that goes on by itself; answers its operation.
export async function change(method, path, body) {
  return (await send(path, { method, body, prefer: "respond-async" })).json();
}

// What a change would do, as a script; nothing is changed.
export async function script(method, path, body) {
  return (await send(`${path}?dry_run=true`, { method, body, accept: "text/x-shellscript" })).text();
}

export const host = (name, rest = "") => `/hosts/${encodeURIComponent(name)}${rest}`;
export const network = (name) => `/networks/${encodeURIComponent(name)}`;
