// Which view is shown, and when it is read anew.

import { complain } from "./act.js";
import { get, hasToken, keepToken, pause, Problem, TokenNeeded } from "./api.js";
import { newHost, newNetwork } from "./create.js";
import { h, show } from "./dom.js";
import { hostView } from "./host.js";
import { operation, operations } from "./operations.js";
import { overview } from "./overview.js";

// A view is made once for its address, with what the address holds and what the client may do. It
// answers what reads it anew, each so many seconds while the tab is seen, until that answers that
// nothing will change any more; or nothing.
const VIEWS = [
  [/^\/?$/, overview, 2, () => "Overview"],
  [/^\/hosts\/([^/]+)$/, hostView, 2, (name) => name],
  [/^\/operations(?:\?(.*))?$/, operations, 2, () => "Operations"],
  [/^\/operations\/([^/]+)$/, operation, 1, () => "Operation"],
  [/^\/new\/host$/, newHost, 0, () => "New host"],
  [/^\/new\/network$/, newNetwork, 0, () => "New network"],
];
const view = document.getElementById("view");
const live = document.getElementById("live");
const leave = document.getElementById("leave");
// Of the address that is shown; what was begun for another one ends when it sees that.
let turn = 0;
// What is shown for it. Each turn has its own, so that a view that was left draws over no other.
let place;

function begin(...inside) {
  turn += 1;
  place = h("div", {}, inside);
  view.replaceChildren(place);
  say("");
  complain();
  document.getElementById("dialog").close();
  return turn;
}

function say(text, bad = false) {
  live.classList.toggle("bad", bad);
  if (live.textContent !== text) live.textContent = text;
}

function cannot(title, ...why) {
  show(place, h("h1", {}, title), h("ul", { class: "wrong" }, h("li", {}, why)), h("p", {}, h("a", { href: "#/" }, "Overview")));
}

function parsed(address) {
  for (const [pattern, make, seconds, title] of VIEWS) {
    const match = address.match(pattern);
    // What stands after a question mark is taken apart by the view.
    if (match) return { make, seconds, title, words: match.slice(1).map((word) => (make === operations ? word : decodeURIComponent(word))) };
  }
  throw new URIError();
}

function markHere(address) {
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#${address.split("?")[0] || "/"}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

async function go() {
  const mine = begin(h("p", { class: "soft" }, "Reading…"));
  const address = location.hash.slice(1);
  markHere(address);
  let found;
  try {
    found = parsed(address);
  } catch {
    return cannot("There is no such page", "This address leads nowhere.");
  }
  const { make, seconds, title, words } = found;
  let update;
  let made = false;
  // Nobody sees a hidden tab, and it asks nothing.
  await pause(0);
  while (mine === turn) {
    const began = performance.now();
    try {
      if (made) {
        if (await update()) update = null;
      } else {
        const rights = await who(title(...words));
        if (mine !== turn) return;
        update = await make(place, words, rights);
        if (mine !== turn) return;
        // Who has come from another view goes on in this one.
        if (mine > 1 && !view.contains(document.activeElement)) view.focus({ preventScroll: true });
        made = true;
      }
      if (mine !== turn) return;
      say(update ? "Live" : "");
      if (!update) return;
    } catch (error) {
      if (mine !== turn || error instanceof TokenNeeded) return;
      // A fault of the page itself is seen in the browser's console.
      if (!(error instanceof Problem)) console.error(error);
      if (!made || error.told?.status === 404) {
        made = false;
        cannot("This cannot be shown", error.message);
      }
      say(`Not up to date: ${error.message}`, true);
    }
    await pause(Math.max(250, (seconds || 2) * 1000 - (performance.now() - began)));
  }
}

// What this client may do: change hosts, and networks.
async function who(title) {
  const entry = await get("/");
  document.getElementById("where").textContent = entry.hypervisor;
  document.title = `${title} · ${entry.hypervisor}`;
  const rights = { writes: !entry.read_only, networks: !entry.read_only && !entry.some_hosts };
  // A link sends no token.
  offer({ ...rights, manual: !hasToken() });
  leave.hidden = !hasToken();
  return rights;
}

// Shows those links in the head that lead somewhere for this client.
function offer(which) {
  for (const link of document.querySelectorAll("nav [class]")) link.hidden = !which[link.className];
}

function askForToken(why) {
  keepToken("");
  offer({});
  leave.hidden = true;
  document.title = "Token · Staging compute agent";
  const input = h("input", { id: "token", type: "password", autocomplete: "off", required: true, size: 46 });
  const form = h("form", { class: "fields panel", onsubmit: (event) => {
    event.preventDefault();
    keepToken(input.value.trim());
    go();
  } },
  h("h1", {}, "A token, please"),
  h("p", { role: "alert" }, why || "This agent wants one from everybody."),
  h("div", { class: "field" }, h("label", { for: "token" }, "Token"), input, h("small", {}, "as ", h("code", {}, "agent token add NAME"), " has printed it; it is kept for this tab only")),
  h("div", {}, h("button", { class: "main" }, "Continue")));
  begin(form);
  input.focus();
}

leave.onclick = () => askForToken("This tab has forgotten its token.");
document.querySelector(".skip").onclick = (event) => {
  // The hash is the address of the view.
  event.preventDefault();
  view.focus();
};
window.addEventListener("tokenneeded", ({ detail }) => askForToken(detail));
// Of buttons that only read.
window.addEventListener("unhandledrejection", (event) => {
  if (!(event.reason instanceof Problem || event.reason instanceof TokenNeeded)) return;
  event.preventDefault();
  if (event.reason instanceof Problem) complain(event.reason.message);
});
window.addEventListener("hashchange", go);
go();
