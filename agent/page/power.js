// The power buttons of a host.

import { changeButton } from "./act.js";
import { change, hostPath } from "./api.js";
import { h } from "./dom.js";

const LOST = "What its system has not written to disk yet is lost.";
const VERBS = {
  start: { label: "Start", on: ["shut off"] },
  shutdown: { label: "Shut down", on: ["running", "idle"], asks: "Its power button is pressed. Its system may take its time, or ignore it." },
  reboot: { label: "Reboot", on: ["running", "idle"], asks: "Its system is asked to reboot. What runs on it is interrupted." },
  reset: { label: "Reset", on: ["running", "idle", "paused"], asks: `It restarts at once. ${LOST}` },
  stop: {
    label: "Stop",
    on: ["running", "idle", "paused", "in shutdown", "crashed", "pmsuspended"],
    asks: `It goes off at once, as if its power were cut. ${LOST}`,
  },
};
const FEW = ["start", "shutdown", "stop"];

// verbs: those that there is room for. after: reads the view again.
export function powerButtons({ name, state }, after, verbs = FEW) {
  return verbs.filter((verb) => VERBS[verb].on.includes(state)).map((verb) => {
    const { label, asks } = VERBS[verb];
    const does = () => change("PUT", hostPath(name, `/${verb}`));
    return changeButton(label, `${label} ${name}`, does, after, { asks: asks && (() => h("p", {}, asks)) });
  });
}

export const allVerbs = Object.keys(VERBS);
