// What was changed: every operation, with its commands.

import { get, script } from "./api.js";
import { copyButton, download, facts, h, show, state, table, time } from "./dom.js";

const STATUSES = ["running", "waiting", "done", "undone", "failed", "unsettled"];
const HEADS = ["operation", "status", "began", { label: "took", number: true }, "asked for by", "error"];

export function operationTable(found, caption = "") {
  return table(caption, HEADS, found.map((each) => [
    each.id,
    h("a", { href: `#/operations/${each.id}` }, each.does),
    state(each.status),
    time(each.began),
    each.ended ? `${(each.ended - each.began).toFixed(1)} s` : "",
    each.request?.client ?? "the agent",
    each.error?.detail ?? "",
  ]), "There is no such operation.");
}

export async function operations(view, [asked]) {
  const given = new URLSearchParams(asked);
  const text = (name) => h("input", { id: `by-${name}`, size: 20, autocomplete: "off", value: given.get(name) ?? "" });
  const status = h("select", { id: "by-status" }, h("option", { value: "" }, "any"), STATUSES.map((each) => h("option", { selected: each === given.get("status") }, each)));
  const inputs = { host: text("host"), network: text("network"), status };
  const rows = h("div");
  const more = h("button", { type: "button", hidden: true }, "Older ones");
  let limit = 50;
  let turn = 0;
  const update = async () => {
    const mine = (turn += 1);
    const query = new URLSearchParams({ limit });
    for (const [name, input] of Object.entries(inputs)) if (input.value.trim()) query.set(name, input.value.trim());
    const found = await get(`/operations?${query}`);
    if (mine !== turn) return;
    show(rows, operationTable(found));
    more.hidden = found.length < limit || limit >= 500;
  };
  const quietly = () => update().catch(() => {});
  const field = (label, input) => h("div", { class: "field" }, h("label", { for: input.id }, label), input);
  await update();
  view.replaceChildren(
    h("h1", {}, "Operations"),
    h("section", {},
      h("form", { class: "row filter", onsubmit: (event) => event.preventDefault(), oninput: quietly },
        field("Host", inputs.host), field("Network", inputs.network), field("Status", status)),
      rows, h("div", { class: "row" }, more)));
  more.onclick = () => {
    limit = Math.min(500, limit * 2);
    quietly();
  };
  return update;
}

function command(run, number) {
  const outcome = run.ok === null ? "running" : run.ok ? "done" : "failed";
  return h("details", { class: "command", open: run.ok === false, id: `command-${number}-${outcome}` },
    h("summary", {}, state(outcome), " ", run.undo && h("em", {}, "undo "), h("code", {}, run.shell.split("\n")[0].slice(0, 160)),
      run.seconds !== null && h("span", { class: "soft" }, ` ${run.seconds.toFixed(2)} s`)),
    h("div", { class: "row" }, copyButton(run.shell), h("span", { class: "soft" }, time(run.began), run.exit_code === null ? "" : `, exit ${run.exit_code}`)),
    h("pre", { tabindex: "0" }, run.shell),
    run.stdout?.trim() && [h("h3", {}, "What it printed"), h("pre", { tabindex: "0" }, run.stdout)],
    run.stderr?.trim() && [h("h3", {}, "What it said on stderr"), h("pre", { tabindex: "0" }, run.stderr)],
    run.error && h("p", { class: "why" }, run.error));
}

function undoes(plan) {
  const steps = plan.steps.filter((step) => step.undo.length).toReversed();
  return steps.length > 0 && h("details", { class: "command", id: "undo" },
    h("summary", {}, "What takes it back, should a step fail"),
    steps.map((step) => [h("h3", {}, step.does), h("pre", { tabindex: "0" }, step.undo.map((each) => each.shell).join("\n"))]));
}

export async function operation(view, [id]) {
  const [head, steps, runs, shown] = [h("div"), h("section"), h("section"), h("div")];
  const update = async () => {
    const now = await get(`/operations/${id}`);
    show(head, h("h1", {}, now.does), h("section", {}, summary(now)));
    show(steps, h("h2", {}, "Steps"), stepList(now), undoes(now.plan));
    show(runs, h("h2", {}, "Commands that were run"), now.commands.length ? now.commands.map(command) : h("p", { class: "soft" }, "none yet"));
    return ["done", "undone", "failed"].includes(now.status);
  };
  const over = await update();
  view.replaceChildren(head, steps, runs, h("section", {},
    h("h2", {}, "Script"),
    h("p", { class: "soft" }, "It does the same by hand, and takes back what it made if it fails."),
    h("div", { class: "row" },
      h("button", { type: "button", onclick: async () => show(shown, h("pre", { tabindex: "0", role: "group", "aria-label": "Script" }, await script(id))) }, "Show"),
      copyButton(() => script(id)),
      h("button", { type: "button", onclick: async () => download(`${id}.sh`, await script(id)) }, "Download")),
    shown));
  return over ? null : update;
}

function summary(now) {
  return [facts([
    ["status", state(now.status)],
    now.host && ["host", h("a", { href: `#/hosts/${encodeURIComponent(now.host)}` }, now.host)],
    now.network && ["network", now.network],
    ["began", time(now.began)],
    now.ended && ["took", `${(now.ended - now.began).toFixed(2)} s`],
    now.phase && ["at", now.phase],
    ["asked for by", now.request ? `${now.request.client}, ${now.request.method} ${now.request.path}` : "the agent itself"],
    now.request?.body && ["with", h("pre", { tabindex: "0" }, JSON.stringify(now.request.body, null, 2))],
    ["id", h("code", {}, now.id)],
  ]), outcome(now)];
}

// How an operation has ended, where it has not done what it was for.
export function outcome(now) {
  if (["running", "waiting", "done"].includes(now.status)) return "";
  const left = now.error?.left_behind ?? [];
  return h("div", { class: "outcome" },
    h("p", { class: "why" }, now.error?.detail ?? "It failed."),
    now.status === "undone" && h("p", {}, now.does.startsWith("revert ") ? "The host is off, either as it was or as in the snapshot." : "What it had made was taken back: nothing of it is left."),
    left.length > 0 && [h("p", {}, "These commands still have to be run, and the agent goes on trying:"), h("pre", { tabindex: "0" }, left.join("\n"))],
    now.error?.command && [h("h2", {}, "The command that failed"), h("pre", { tabindex: "0" }, now.error.command), copyButton(now.error.command)]);
}

// The steps of an operation's plan, and how far each is.
export function stepList(now) {
  // An install waits for its installer, and has none.
  const waits = now.status === "waiting" && now.plan.steps.length > 0;
  return [waits && h("p", { class: "notice" }, "It waits for its turn: other creates are under way."), h("ol", { class: "steps" }, now.plan.steps.map((step, i) => {
    const run = now.commands.filter((each) => each.step === i && !each.undo).at(-1);
    const word = !run ? (["running", "waiting"].includes(now.status) ? "waiting" : "not run") : run.ok === null ? "running" : run.ok ? "done" : "failed";
    return h("li", {}, state(word), " ", step.does, word === "running" && now.phase && h("span", { class: "soft" }, ` ${now.phase}`));
  }))];
}
