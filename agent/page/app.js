// Which view is shown, and when it is read again.

import { complain } from "./act.js";
import { get, hasToken, keepToken, pause, Problem, TokenNeeded } from "./api.js";
import { newHost, newNetwork } from "./create.js";
import { h, show } from "./dom.js";
import { field } from "./forms.js";
import { hostView } from "./host.js";
import { operation, operations } from "./operations.js";
import { overview } from "./overview.js";

// A view is a function of its place, what the pattern of its address has captured, what the client may do, and
// the query of its address. It draws itself once, and returns what reads it again, each so many seconds while the
// tab is visible, until that returns true; or nothing.
const VIEWS = [
  [/^\/?$/, overview, 2],
  [/^\/hosts\/([^/]+)$/, hostView, 2],
  [/^\/operations$/, operations, 2],
  [/^\/operations\/([^/]+)$/, operation, 1],
  [/^\/new\/host$/, newHost, 2],
  [/^\/new\/network$/, newNetwork, 2],
];
const view = document.getElementById("view");
const live = document.getElementById("live");
const leave = document.getElementById("leave");
const hypervisor = document.getElementById("where");
// Counts the addresses that were shown; what was begun for an earlier one ends when it sees that.
let turn = 0;
// What is shown for this one. Each has its own, so that a view that was left draws over no other.
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

function cannot(title, why) {
  show(place, h("h1", {}, title), h("ul", { class: "wrong" }, h("li", {}, why)), h("p", {}, h("a", { href: "#/" }, "Overview")));
  entitle();
}

// Returns the view of a path and what its pattern captures, or null.
function viewOf(path) {
  for (const [pattern, make, seconds] of VIEWS) {
    const match = path.match(pattern);
    try {
      if (match) return { make, seconds, words: match.slice(1).map(decodeURIComponent) };
    } catch {
      // It is no text.
    }
  }
  return null;
}

function markHere(path) {
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#${path || "/"}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

async function go() {
  const mine = begin(h("p", { class: "soft" }, "Reading…"));
  const [path, query] = location.hash.slice(1).split("?");
  markHere(path);
  const found = viewOf(path);
  if (!found) return cannot("There is no such page", "This address leads nowhere.");
  const { make, seconds, words } = found;
  // What reads the view again, once it is drawn.
  let update;
  // Nobody sees a hidden tab, and it asks for nothing.
  await pause(0);
  while (mine === turn) {
    const began = performance.now();
    let over = false;
    try {
      if (update) {
        over = await update();
      } else {
        const rights = await who();
        if (mine !== turn) return;
        update = await make(place, words, rights, new URLSearchParams(query));
        over = !update;
        // Who has come from another view goes on in this one.
        if (mine === turn && mine > 1 && !view.contains(document.activeElement)) view.focus({ preventScroll: true });
      }
      if (mine !== turn) return;
      entitle();
      say(over ? "" : "Live");
      if (over) return;
    } catch (error) {
      if (mine !== turn || error instanceof TokenNeeded) return;
      // A fault of the page itself is seen in the browser's console.
      if (!(error instanceof Problem)) console.error(error);
      if (!update || error.told?.status === 404) {
        update = null;
        cannot("This cannot be shown", error.message);
      }
      say(`Not up to date: ${error.message}`, true);
    }
    await pause(Math.max(250, seconds * 1000 - (performance.now() - began)));
  }
}

// Gives the tab the title of what it shows.
function entitle() {
  document.title = `${view.querySelector("h1").textContent} · ${hypervisor.textContent}`;
}

// Returns what this client may do: change hosts, and networks.
async function who() {
  const entry = await get("/");
  hypervisor.textContent = entry.hypervisor;
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
  const input = h("input", { id: "token", type: "password", autocomplete: "off", required: true, size: 46 });
  const token = field("Token", input, ["as ", h("code", {}, "agent token add NAME"), " has printed it; it is kept for this tab only"]);
  const form = h("form", { class: "fields panel", onsubmit: (event) => {
    event.preventDefault();
    keepToken(token.value());
    go();
  } },
  h("h1", {}, "A token is needed"),
  h("p", { role: "alert" }, why || "Every request to this agent needs one."),
  token.box,
  h("div", {}, h("button", { class: "main" }, "Continue")));
  begin(form);
  entitle();
  input.focus();
}

leave.onclick = () => {
  keepToken("");
  // What was read and typed with it is forgotten too.
  location.reload();
};
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
