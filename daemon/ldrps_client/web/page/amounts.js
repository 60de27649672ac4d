// How much is done about each finding: a switch and a slider, at first as the diagnosis proposes.

const $ = (id) => document.getElementById(id);

const NAMES = {
  noise: "Noise", haze: "Haze", light: "Light", cast: "Cast, fading", colour: "Colour",
};
const MOST = 200; // percent

export class Amounts {
  #own = new Map(); // by photo, what the user has changed
  #rows = new Map();
  #photo = null;
  #onChange;

  constructor(onChange) {
    this.#onChange = onChange;
    for (const name of Object.keys(NAMES)) this.#rows.set(name, this.#row(name));
  }

  /** What is to be sent with a photo; empty: all as diagnosed. */
  of(photo) {
    return { ...this.#own.get(photo.id) };
  }

  /** Whether anything is done to a photo. */
  does(photo) {
    return Object.values({ ...photo.amounts, ...this.of(photo) }).some((amount) => amount > 0);
  }

  show(photo, { offered, busy }) {
    const other = this.#photo?.id !== photo.id;
    this.#photo = photo;
    $("amounts").hidden = !offered || !photo.amounts;
    if ($("amounts").hidden) return;
    $("amounts").disabled = busy;
    const now = { ...photo.amounts, ...this.of(photo) };
    for (const [name, row] of this.#rows) {
      // Only what has no colour can be given any.
      row.line.hidden = name === "colour" && !photo.grey;
      const home = photo.amounts[name] > 0 ? $("found-amounts") : $("other-amounts");
      // In the order above; moved only where it takes the focus from nobody.
      if (other || !row.line.parentElement) home.append(row.line);
      row.box.checked = now[name] > 0;
      // Switched off, the slider keeps where it was.
      const value = Math.round(100 * (now[name] || row.kept.get(photo.id) || 1));
      if (row.range.valueAsNumber !== value) row.range.value = value;
      row.range.disabled = !row.box.checked;
      row.text.textContent = row.box.checked ? `${value} %` : "left";
      row.range.ariaValueText = row.text.textContent;
    }
    $("found-amounts").hidden = !$("found-amounts").children.length;
    $("reset-amounts").hidden = !this.#own.has(photo.id);
  }

  reset() {
    this.#own.delete(this.#photo.id);
    this.#onChange();
  }

  #row(name) {
    const line = document.createElement("div");
    line.className = "amount";
    const label = document.createElement("label"), box = document.createElement("input");
    const range = document.createElement("input"), text = document.createElement("output");
    box.type = "checkbox";
    range.type = "range";
    range.min = 5;
    range.max = MOST;
    range.step = 5;
    range.ariaLabel = `Amount of ${NAMES[name].toLowerCase()}`;
    range.id = `amount-${name}`;
    text.htmlFor = range.id;
    text.ariaLive = "off"; // the slider says it
    label.append(box, NAMES[name]);
    line.append(label, range, text);
    const row = { line, box, range, text, kept: new Map() };
    // Before those who listen for it further out.
    box.addEventListener("input", () => this.#set(name, box.checked ? range.value / 100 : 0));
    range.addEventListener("input", () => {
      row.kept.set(this.#photo.id, range.value / 100);
      this.#set(name, range.value / 100);
    });
    return row;
  }

  #set(name, amount) {
    this.#own.set(this.#photo.id, { ...this.#own.get(this.#photo.id), [name]: amount });
    this.#onChange();
  }
}
