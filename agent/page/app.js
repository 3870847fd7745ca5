// Which view is shown, and when it is read anew.

import { get, keepToken, TokenNeeded } from "./api.js";
import { h, show } from "./dom.js";
import { newHost, newNetwork } from "./create.js";
import { hostView } from "./host.js";
import { operations, operation } from "./operations.js";
import { overview } from "./overview.js";

// A view is made once for its address, and answers what reads it anew: `update`, each so many
// seconds while the tab is seen.
const VIEWS = [
  [/^\/?$/, overview, 2.5],
  [/^\/hosts\/(.+)$/, hostView, 2],
  [/^\/operations$/, operations, 2.5],
  [/^\/operations\/(.+)$/, operation, 1.5],
  [/^\/new\/host$/, newHost, 0],
  [/^\/new\/network$/, newNetwork, 0],
];
const view = document.getElementById("view");
const live = document.getElementById("live");
let turn = 0;
let timer = 0;
let again = () => {};

function say(text) {
  if (live.textContent !== text) live.textContent = text;
}

function failed(error) {
  if (error instanceof TokenNeeded) return askForToken(error.message);
  say(`Not up to date: ${error.message}`);
}

async function go() {
  const mine = ++turn;
  clearTimeout(timer);
  const place = location.hash.replace(/^#/, "");
  const found = VIEWS.map(([pattern, make, seconds]) => [place.match(pattern), make, seconds]).find(([match]) => match);
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.getAttribute("href") === (location.hash || "#/");
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.getElementById("said").replaceChildren();
  view.replaceChildren(h("p", { class: "soft" }, "Reading…"));
  if (!found) {
    view.replaceChildren(h("h1", {}, "There is no such page"), h("p", {}, h("a", { href: "#/" }, "Overview")));
    return;
  }
  const [match, make, seconds] = found;
  let update;
  const tick = async () => {
    if (mine !== turn) return;
    if (!document.hidden) {
      try {
        if (!update) {
          const rights = await who();
          if (mine !== turn) return;
          update = await make(view, match.slice(1).map(decodeURIComponent), rights);
        } else await update();
        if (mine === turn) say(seconds ? "Live" : "");
      } catch (error) {
        if (mine !== turn) return;
        if (!update && !(error instanceof TokenNeeded)) show(view, h("h1", {}, "This cannot be shown"), h("p", { class: "wrong" }, error.message));
        failed(error);
        if (error instanceof TokenNeeded) return;
      }
    }
    if (mine === turn && (seconds || !update)) timer = setTimeout(tick, (seconds || 2.5) * 1000);
  };
  again = () => {
    if (seconds || !update) tick();
  };
  await tick();
  if (mine === turn) view.focus({ preventScroll: true });
}

// What this client may do.
async function who() {
  const entry = await get("/");
  document.getElementById("where").textContent = entry.hypervisor;
  document.title = `${entry.hypervisor} · Staging compute agent`;
  document.body.classList.toggle("reads-only", entry.read_only);
  for (const link of document.querySelectorAll(".writes")) link.hidden = entry.read_only;
  return entry;
}

function askForToken(why) {
  turn += 1;
  again = () => {};
  keepToken("");
  say("");
  const input = h("input", { id: "token", type: "password", autocomplete: "off", required: true, size: 46 });
  const form = h("form", { class: "fields panel" },
    h("h1", {}, "A token, please"),
    h("p", {}, why || "This agent wants one from everybody. It is kept for this tab only."),
    h("div", { class: "field" }, h("label", { for: "token" }, "Token"), input,
      h("small", {}, "as `agent token add NAME` has printed it")),
    h("div", {}, h("button", { class: "main" }, "Continue")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keepToken(input.value.trim());
    go();
  });
  view.replaceChildren(form);
  input.focus();
}

// A hidden tab asks nothing; once it is seen again it asks at once.
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden) again();
});
window.addEventListener("hashchange", go);
go();
