// What was changed: every operation, with its commands.

import { get, hostPath, isUnderWay, latest, script } from "./api.js";
import { copyButton, download, facts, h, pre, show, state, table, time } from "./dom.js";
import { field, select } from "./forms.js";

const STATUSES = ["running", "waiting", "done", "undone", "failed", "unsettled"];
// How many the agent returns at most.
const MOST = 500;
const COLUMNS = [
  { label: "operation", cell: (each) => h("a", { href: `#/operations/${each.id}` }, each.does) },
  { label: "status", cell: (each) => state(each.status) },
  { label: "started", cell: (each) => time(each.began) },
  { label: "took", number: true, cell: (each) => each.ended && `${(each.ended - each.began).toFixed(1)} s` },
  { label: "requested by", cell: (each) => each.request?.client ?? "the agent" },
  { label: "error", cell: (each) => each.error?.detail },
];

export function operationTable(found) {
  return table("", COLUMNS, found, ({ id }) => id, { empty: "There is no such operation." });
}

// asked: the filters that the address has.
export async function operations(view, _, rights, asked) {
  const text = (name) => h("input", { id: `by-${name}`, size: 20, autocomplete: "off", value: asked.get(name) ?? "" });
  const status = select(STATUSES, { id: "by-status" });
  status.prepend(h("option", { value: "" }, "any"));
  status.value = asked.get("status") ?? "";
  const fields = { host: field("Host", text("host")), network: field("Network", text("network")), status: field("Status", status) };
  const rows = h("div");
  const more = h("button", { type: "button", onclick: () => {
    limit = Math.min(MOST, limit * 2);
    quietly();
  } }, "Older ones");
  const all = h("p", { class: "soft" }, `Only the newest ${MOST} are shown; a filter finds older ones.`);
  let limit = 50;
  const filters = () => Object.entries(fields).map(([name, each]) => [name, each.value()]).filter(([, value]) => value);
  const update = latest(() => get(`/operations?${new URLSearchParams([...filters(), ["limit", limit]])}`), (found) => {
    show(rows, operationTable(found));
    more.hidden = found.length < limit || limit === MOST;
    all.hidden = found.length < MOST;
  });
  const quietly = () => update().catch(() => {});
  const oninput = () => {
    // Who comes back to this address finds the same filters.
    history.replaceState(null, "", `#/operations?${new URLSearchParams(filters())}`);
    quietly();
  };
  await update();
  view.replaceChildren(
    h("h1", {}, "Operations"),
    h("section", {},
      h("form", { class: "row filter", onsubmit: (event) => event.preventDefault(), oninput }, Object.values(fields).map(({ box }) => box)),
      rows, h("div", { class: "row" }, more, all)));
  return update;
}

// Returns what became of a command. One that was cut off with the agent has no outcome.
function outcomeOf(run, now) {
  if (run.ok === null) return isUnderWay(now) ? "running" : "interrupted";
  return run.ok ? "done" : "failed";
}

function command(run, number, now) {
  const outcome = outcomeOf(run, now);
  return h("details", { class: "command", open: run.ok === false, id: `command-${number}-${outcome}` },
    h("summary", {}, state(outcome), " ", run.undo && h("em", {}, "undo "), h("code", {}, run.shell.split("\n")[0].slice(0, 160)),
      run.seconds !== null && h("span", { class: "soft" }, ` ${run.seconds.toFixed(2)} s`)),
    h("div", { class: "row" }, copyButton(run.shell), h("span", { class: "soft" }, time(run.began), run.exit_code === null ? "" : `, exit ${run.exit_code}`)),
    pre(run.shell),
    run.stdout?.trim() && [h("h3", {}, "Its stdout"), pre(run.stdout)],
    run.stderr?.trim() && [h("h3", {}, "Its stderr"), pre(run.stderr)],
    run.error && h("p", { class: "why" }, run.error));
}

function undoes(plan) {
  const steps = plan.steps.filter((step) => step.undo.length).toReversed();
  return steps.length > 0 && h("details", { class: "command", id: "undo" },
    h("summary", {}, "Commands that undo it, should a step fail"),
    steps.map((step) => [h("h3", {}, step.does), pre(step.undo.map((each) => each.shell).join("\n"))]));
}

export async function operation(view, [id]) {
  const [head, steps, runs, shown] = [h("div"), h("section"), h("section"), h("div")];
  const update = async () => {
    const now = await get(`/operations/${id}`);
    show(head, h("h1", {}, now.does), h("section", {}, summary(now)));
    show(steps, h("h2", {}, "Steps"), stepList(now), undoes(now.plan));
    show(runs, h("h2", {}, "Commands that were run"), now.commands.length ? now.commands.map((run, i) => command(run, i, now)) : h("p", { class: "soft" }, "none yet"));
    return ["done", "undone", "failed"].includes(now.status);
  };
  const over = await update();
  view.replaceChildren(head, steps, runs, h("section", {},
    h("h2", {}, "Script"),
    h("p", { class: "soft" }, "It does the same by hand, and takes back what it made if it fails."),
    h("div", { class: "row" },
      h("button", { type: "button", onclick: async () => show(shown, pre(await script(id), { label: "Script" })) }, "Show"),
      copyButton(() => script(id)),
      h("button", { type: "button", onclick: async () => download(`${id}.sh`, await script(id)) }, "Download")),
    shown));
  return over ? null : update;
}

function summary(now) {
  return [outcome(now), facts([
    ["status", state(now.status)],
    now.host && ["host", h("a", { href: `#${hostPath(now.host)}` }, now.host)],
    now.network && ["network", now.network],
    ["started", time(now.began)],
    now.ended && ["took", `${(now.ended - now.began).toFixed(2)} s`],
    now.phase && ["progress", now.phase],
    ["requested by", now.request ? `${now.request.client}, ${now.request.method} ${now.request.path}` : "the agent itself"],
    now.request?.body && ["request", pre(JSON.stringify(now.request.body, null, 2))],
    ["ID", h("code", {}, now.id)],
  ])];
}

// How an operation ended that has not done what it was for.
export function outcome(now) {
  if (isUnderWay(now) || now.status === "done") return "";
  const left = now.error?.left_behind ?? [];
  return h("div", { class: "outcome" },
    h("p", { class: "why" }, now.error?.detail ?? "It failed."),
    now.status === "undone" && h("p", {}, now.does.startsWith("revert ") ? "The host is off, either as it was or as in the snapshot." : "What it had made was taken back: nothing of it is left."),
    left.length > 0 && [h("p", {}, "These commands still have to be run, and the agent goes on trying:"), pre(left.join("\n"))],
    now.error?.command && [h("h2", {}, "The command that failed"), pre(now.error.command), copyButton(now.error.command)]);
}

// The steps of an operation's plan, and how far each is.
export function stepList(now) {
  // An install waits for its installer, and has none.
  const waits = now.status === "waiting" && now.plan.steps.length > 0;
  const notRun = isUnderWay(now) ? "waiting" : "not run";
  return [waits && h("p", { class: "notice" }, "It waits for its turn: other creates are under way."), h("ol", { class: "steps" }, now.plan.steps.map((step, i) => {
    const run = now.commands.filter((each) => each.step === i && !each.undo).at(-1);
    const word = run ? outcomeOf(run, now) : notRun;
    return h("li", {}, state(word), " ", step.does, word === "running" && now.phase && h("span", { class: "soft" }, ` ${now.phase}`));
  }))];
}
