// Results of the hot folder: looked at, accepted or rejected, with the verdict taken back at will.

import * as api from "./api.js";
import { generated, how, texts } from "./panel.js";
import { Strip } from "./strip.js";

const $ = (id) => document.getElementById(id);

const OFTEN = 2000, SELDOM = 10000; // milliseconds between questions
const GROUPS = { open: "To review", accepted: "Accepted", rejected: "Rejected", failed: "Failed" };
const NONE = {
  open: "Nothing is left to review.", accepted: "Nothing was accepted yet.",
  rejected: "Nothing was rejected.", failed: "Nothing failed.",
};
const STANDING = {
  open: "", accepted: "Accepted.", failed: "",
  rejected: "Rejected: moved away, and not made again.",
};

export class Watched {
  #viewer; #attempt; #onPage;
  #strip = new Strip($("results").querySelector("ul"), {
    choose: (id) => this.#choose(id),
    small: (result) => result.small ? api.resultPicture(result.id, "small") : null,
    mark: (result) => result.state === "failed" || !result.there ? "troubled" : result.state,
    words: (result) => this.#words(result),
  });
  #folders = []; #results = []; #version = "";
  #group = "open"; #chosen = ""; #details = new Map(); #last = null; #busy = false;

  /** `attempt` runs what may be refused; `onPage` is called when another page is to be shown. */
  constructor(viewer, attempt, onPage) {
    this.#viewer = viewer;
    this.#attempt = attempt;
    this.#onPage = onPage;
    this.isShown = false;
    $("to-photos").addEventListener("click", () => this.#turn(false));
    $("to-watched").addEventListener("click", () => this.#turn(true));
    $("shown").addEventListener("change", () => {
      this.#group = $("shown").value;
      this.#chosen = "";
      this.#show();
    });
    $("accept").addEventListener("click", () => this.#judge("accepted"));
    $("reject").addEventListener("click", () => this.#judge("rejected"));
    $("undo").addEventListener("click", () => this.#judge(""));
    $("undo-last").addEventListener("click", () => this.#undoLast());
    for (const place of [$("results").querySelector("ul"), $("stage")]) {
      place.addEventListener("keydown", (event) => this.#key(event));
    }
  }

  /** Show the photos. */
  hide() {
    if (this.isShown) this.#turn(false);
  }

  /** Ask for news from now on. */
  async follow() {
    let failures = 0;
    for (;;) {
      try {
        await this.#refresh();
        failures = 0;
      } catch (error) {
        // A program that does not answer is told by the photos' page.
        if (++failures === 1 && !(error instanceof api.Refusal)) throw error;
      }
      await new Promise((go) => setTimeout(go, this.isShown ? OFTEN : SELDOM));
    }
  }

  async #refresh() {
    const now = await api.watched(this.#version);
    if (!now) return;
    this.#version = now.version;
    this.#folders = now.folders;
    this.#results = now.results;
    $("pages").hidden = !now.folders.length;
    const open = this.#count("open");
    $("to-watched").textContent = open ? `Hot folder (${open} to review)` : "Hot folder";
    this.#options();
    if (this.isShown) this.#show();
  }

  #count(group) {
    return this.#folders.reduce((sum, folder) => sum + (folder[group] ?? 0), 0);
  }

  #options() {
    const names = Object.entries(GROUPS);
    if (!$("shown").options.length) {
      $("shown").replaceChildren(...names.map(([value, name]) => new Option(name, value)));
    }
    names.forEach(([value, name], at) => {
      $("shown").options[at].text = `${name} (${this.#count(value)})`;
    });
  }

  #turn(on) {
    this.isShown = on;
    $("to-watched").setAttribute("aria-pressed", String(on));
    $("to-photos").setAttribute("aria-pressed", String(!on));
    this.#onPage();
    if (on) this.#show();
  }

  get #listed() { return this.#results.filter((result) => result.state === this.#group); }
  get #current() { return this.#listed.find((result) => result.id === this.#chosen); }

  #words({ state, there, words, warnings }) {
    if (state === "failed") return "not restored";
    if (!there) return "not there any more";
    return warnings.length ? `${words}, with a warning` : words;
  }

  #choose(id) {
    this.#chosen = id;
    this.#show();
  }

  #show() {
    const listed = this.#listed;
    if (!this.#current) this.#chosen = listed[0]?.id ?? "";
    this.#strip.show(listed, this.#chosen);
    this.#tell(listed.length);
    const result = this.#current;
    $("verdict").hidden = !result;
    this.#showUndo();
    if (!result) {
      $("view").hidden = true;
      return;
    }
    this.#describe(result);
    this.#picture(result);
  }

  /** Where there is nothing, and where there is more than is listed. */
  #tell(count) {
    $("nothing").hidden = Boolean(count);
    $("nothing").firstChild.textContent = NONE[this.#group];
    const all = this.#count(this.#group);
    const troubles = this.#folders.map((folder) => folder.trouble).filter(Boolean);
    const more = all > count ? [`The newest ${count} of ${all}.`] : [];
    $("more").textContent = [...more, ...troubles].join(" ");
  }

  #showUndo() {
    $("undo-last").hidden = !this.#last || this.#last.id === this.#chosen;
    $("undo-last").textContent = this.#last ? `Undo: ${this.#last.name} ${this.#last.verdict}` : "";
  }

  #describe(result) {
    const { state } = result, known = this.#details.get(result.id);
    const trouble = known?.trouble || result.trouble || "";
    $("result-name").textContent = result.name;
    $("result-size").textContent = known?.width
      ? `${known.width} × ${known.height}, ${known.kind}` : "";
    $("result-trouble").hidden = !trouble;
    if ($("result-trouble").textContent !== trouble) $("result-trouble").textContent = trouble;
    $("judging").hidden = state === "failed";
    $("standing").textContent = STANDING[state];
    $("standing").hidden = !STANDING[state];
    for (const id of ["accept", "reject"]) {
      $(id).hidden = state !== "open";
      $(id).disabled = Boolean(trouble);
    }
    $("undo").hidden = state === "open";
    $("result-diagnosis").hidden = !result.findings.length;
    texts($("result-found"), result.findings);
    texts($("result-warnings"), [...result.warnings, ...(known?.remarks ?? [])]
      .filter((sentence) => sentence !== trouble));
    $("result-made").hidden = state === "failed";
    // What was there already when it was found was made at some other time.
    const made = result.seconds ? `Restored ${how(result)}` : "";
    const share = known?.generated ?? null;
    $("result-told").textContent = `${made} ${generated(share)}`.trim() || result.words;
    this.#files(result);
  }

  #files({ source, result, when }) {
    const date = when ? new Date(1000 * when).toLocaleString() : "";
    const rows = [["Original", source], ["Result", result], ["When", date]];
    $("result-files").replaceChildren(...rows.filter(([, text]) => text).flatMap((row) =>
      row.map((text, at) => {
        const cell = document.createElement(at ? "dd" : "dt");
        cell.textContent = text;
        return cell;
      })));
  }

  /** The small picture at once, the whole photo when it has been read; the next one is read too. */
  async #picture(result) {
    const { id, state } = result;
    $("view").hidden = state === "failed" || !this.#details.get(id)?.width;
    if (state === "failed") return;
    this.#draw(result);
    if (this.#details.get(id)?.version === this.#version) return;
    if (!await this.#read(id) || this.#chosen !== id || !this.isShown) return;
    this.#describe(result);
    this.#draw(result);
    const listed = this.#listed, next = listed[listed.findIndex((each) => each.id === id) + 1];
    if (next && !this.#details.has(next.id)) await this.#read(next.id);
  }

  async #read(id) {
    const version = this.#version;
    const known = await this.#attempt(() => api.details(id));
    if (known) this.#details.set(id, { ...known, version });
    return Boolean(known);
  }

  #draw({ id, name, small }) {
    const known = this.#details.get(id);
    $("view").hidden = !known?.width;
    if (!known?.width) return;
    const { width, height, number } = known;
    const before = api.resultPicture(id, "before", number);
    this.#viewer.show({
      key: id, name, width, height, before, small: small ? api.resultPicture(id, "small") : before,
      after: api.resultPicture(id, "after", number), label: "after",
    });
  }

  #key(event) {
    if (!this.isShown || event.ctrlKey || event.metaKey || event.altKey) return;
    const result = this.#current;
    const act = {
      a: () => result?.state === "open" && this.#judge("accepted"),
      r: () => result?.state === "open" && this.#judge("rejected"),
      u: () => result?.state === "open" ? this.#undoLast() : this.#judge(""),
    }[event.key];
    if (!act || result?.state === "failed") return;
    event.preventDefault();
    act();
  }

  async #judge(verdict) {
    const result = this.#current;
    if (!result || this.#busy || $("accept").disabled && verdict) return;
    const listed = this.#listed, at = listed.indexOf(result);
    const next = listed[at + 1] ?? listed[at - 1];
    if (!await this.#say(result, verdict)) return;
    this.#last = verdict ? { ...result, verdict } : null;
    this.#chosen = next?.id ?? "";
    await this.#after(next);
  }

  async #undoLast() {
    const last = this.#last;
    if (!last || this.#busy || !await this.#say(last, "")) return;
    this.#last = null;
    this.#group = $("shown").value = "open";
    this.#chosen = last.id;
    await this.#after(last);
  }

  /** Give a verdict; whether it was taken. */
  async #say({ id, name }, verdict) {
    this.#busy = true;
    const done = await this.#attempt(() => api.judge(id, verdict));
    this.#busy = false;
    if (done) $("status").textContent = `${name}: ${verdict || "to be reviewed again"}`;
    return Boolean(done);
  }

  /** Go on at a result; whoever went by keys stays in the list. */
  async #after(next) {
    const walks = this.#strip.hasFocus || document.activeElement === $("stage");
    await this.#attempt(() => this.#refresh());
    this.#show();
    if (walks && this.#strip.hasFocus === false && next) this.#strip.focus(next.id);
    if (!next) $("shown").focus();
  }
}
