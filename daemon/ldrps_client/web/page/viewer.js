// Before and after over each other: a border that is dragged, zoom to the photo's own pixels.
// All positions are in CSS pixels of the stage; `scale` is CSS pixels for a pixel of the photo.

const $ = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.min(Math.max(value, low), Math.max(low, high));

const MOST = 8; // screen pixels for a pixel of the photo
const STEP = 1.25;

export class Viewer {
  #stage = $("stage"); #split = $("split");
  #before = $("before"); #after = $("after");
  #photo = { width: 1, height: 1 }; #key = "";
  #scale = 1; #x = 0; #y = 0; #fits = true;
  #border = 0.5; #compares = false; #swapped = false;
  #pointers = new Map(); #grip = null;

  constructor() {
    new ResizeObserver(() => this.#draw()).observe(this.#stage);
    $("fit").addEventListener("click", () => this.fit());
    $("exact").addEventListener("click", () => this.exact());
    $("larger").addEventListener("click", () => this.#zoom(STEP));
    $("smaller").addEventListener("click", () => this.#zoom(1 / STEP));
    $("swap").addEventListener("click", () => this.#swap(!this.#swapped));
    this.#stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.#zoom(Math.exp(-event.deltaY / (event.deltaMode ? 12 : 400)), this.#at(event));
    }, { passive: false });
    this.#stage.addEventListener("dblclick", (event) =>
      this.#fits ? this.exact(this.#at(event)) : this.fit());
    this.#stage.addEventListener("keydown", (event) => this.#key_pressed(event));
    this.#split.addEventListener("keydown", (event) => this.#split_key(event));
    this.#stage.addEventListener("pointerdown", (event) => this.#down(event));
    this.#stage.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      this.#stage.addEventListener(name, (event) => this.#up(event));
    }
  }

  /**
   * Show a photo. `after` is null while there is none; `label` says what it is.
   * Another photo, by its `key`, begins as a whole and with the border in the middle.
   */
  show({ key, name, width, height, before, small, after, label }) {
    const other = key !== this.#key;
    this.#photo = { width, height };
    if (other) {
      this.#key = key;
      this.#fits = true;
      this.#border = 0.5;
      this.#swapped = false;
      // At once; the whole photo takes its place when it is decoded.
      this.#put(this.#before, small);
      this.#after.removeAttribute("src");
      delete this.#after.dataset.wanted;
    }
    this.#load(this.#before, before);
    this.#compares = Boolean(after);
    if (after) this.#load(this.#after, after);
    this.#before.alt = `${name} before`;
    this.#after.alt = after ? `${name}, ${label}` : "";
    $("tag-after").textContent = label ?? "";
    this.#draw();
  }

  fit() {
    this.#fits = true;
    this.#draw();
  }

  /** One pixel of the photo for one of the screen. */
  exact(at) {
    this.#zoom(1 / devicePixelRatio / this.#scale, at);
  }

  #put(image, address) {
    image.src = address;
    image.dataset.wanted = address;
  }

  async #load(image, address) {
    if (image.dataset.wanted === address) return;
    image.dataset.wanted = address;
    const loading = new Image();
    loading.src = address;
    try {
      await loading.decode();
    } catch { /* shown broken, with its text */ }
    if (image.dataset.wanted === address) image.src = address;
  }

  get #box() { return this.#stage.getBoundingClientRect(); }

  #at(event) {
    const box = this.#box;
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #zoom(factor, at) {
    const box = this.#box;
    const { x, y } = at ?? { x: box.width / 2, y: box.height / 2 };
    const whole = this.#fitting(box), least = Math.min(whole, 1 / devicePixelRatio);
    const scale = clamp(this.#scale * factor, least, Math.max(whole, MOST / devicePixelRatio));
    this.#x = x - (x - this.#x) * scale / this.#scale;
    this.#y = y - (y - this.#y) * scale / this.#scale;
    this.#scale = scale;
    this.#fits = scale === whole;
    this.#draw();
  }

  /** The scale at which all of the photo is seen; small ones are not enlarged. */
  #fitting(box) {
    const { width, height } = this.#photo;
    return Math.min(box.width / width, box.height / height, 1);
  }

  #draw() {
    const box = this.#box;
    if (!box.width) return;
    if (this.#fits) this.#scale = this.#fitting(box);
    const width = this.#photo.width * this.#scale, height = this.#photo.height * this.#scale;
    const inside = (at, size, room) =>
      size <= room ? (room - size) / 2 : clamp(at, room - size, 0);
    this.#x = inside(this.#x, width, box.width);
    this.#y = inside(this.#y, height, box.height);
    const ratio = this.#scale * devicePixelRatio;
    const place = `translate(${this.#x}px, ${this.#y}px) scale(${this.#scale})`;
    for (const image of [this.#before, this.#after]) {
      image.style.width = `${this.#photo.width}px`;
      image.style.height = `${this.#photo.height}px`;
      image.style.transform = place;
      image.style.imageRendering = ratio >= 2 ? "pixelated" : "auto";
    }
    $("zoom").textContent = `${Math.round(ratio * 100)} %`;
    $("fit").setAttribute("aria-pressed", String(this.#fits));
    $("exact").setAttribute("aria-pressed", String(Math.abs(ratio - 1) < 0.001));
    this.#draw_split(box, width);
  }

  #draw_split(box, width) {
    const low = Math.max(0, this.#x), high = Math.min(box.width, this.#x + width);
    const at = clamp(this.#border * box.width, low, high);
    const only = !this.#compares || this.#swapped;
    $("cut").style.clipPath = only ? "none" : `inset(0 ${box.width - at}px 0 0)`;
    this.#split.hidden = only;
    this.#split.style.left = `${at}px`;
    const percent = Math.round(100 * (at - low) / Math.max(1, high - low));
    this.#split.setAttribute("aria-valuenow", String(percent));
    this.#split.setAttribute("aria-valuetext", `before left of ${percent} percent`);
    $("tag-before").hidden = !this.#compares;
    $("tag-after").hidden = only;
    $("swap").hidden = !this.#compares;
    $("swap").setAttribute("aria-pressed", String(this.#swapped));
  }

  #swap(swapped) {
    this.#swapped = swapped;
    this.#draw();
  }

  #move_border(to) {
    this.#border = clamp(to, 0, 1);
    this.#draw();
  }

  #key_pressed(event) {
    if (event.target !== this.#stage || event.ctrlKey || event.metaKey || event.altKey) return;
    const by = event.shiftKey ? 200 : 50;
    const act = {
      ArrowLeft: () => { this.#x += by; }, ArrowRight: () => { this.#x -= by; },
      ArrowUp: () => { this.#y += by; }, ArrowDown: () => { this.#y -= by; },
      "+": () => this.#zoom(STEP), "=": () => this.#zoom(STEP), "-": () => this.#zoom(1 / STEP),
      0: () => this.fit(), 1: () => this.exact(),
      b: () => this.#compares && this.#swap(!this.#swapped),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
    this.#draw();
  }

  #split_key(event) {
    const by = event.shiftKey ? 0.1 : 0.02;
    const to = {
      ArrowLeft: this.#border - by, ArrowDown: this.#border - by, PageDown: this.#border - 0.1,
      ArrowRight: this.#border + by, ArrowUp: this.#border + by, PageUp: this.#border + 0.1,
      Home: 0, End: 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.#move_border(to);
  }

  // One finger or the mouse moves the border or the photo, two fingers zoom.

  #down(event) {
    if (event.button) return;
    this.#stage.setPointerCapture(event.pointerId);
    const at = this.#at(event);
    this.#pointers.set(event.pointerId, at);
    const borders = event.target.closest("#split") || (this.#fits && !$("split").hidden);
    this.#grip = borders ? "border" : "photo";
    this.#stage.classList.toggle("moving", !borders);
    if (borders) {
      this.#split.focus({ focusVisible: false });
      event.preventDefault();
    }
  }

  #move(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const at = this.#at(event);
    this.#pointers.set(event.pointerId, at);
    if (this.#pointers.size === 2) {
      this.#pinch(event.pointerId, before, at);
    } else if (this.#grip === "border") {
      this.#move_border(at.x / this.#box.width);
    } else {
      this.#x += at.x - before.x;
      this.#y += at.y - before.y;
      this.#draw();
    }
  }

  #pinch(id, before, at) {
    const [other] = [...this.#pointers].filter(([each]) => each !== id).map(([, where]) => where);
    const was = Math.hypot(before.x - other.x, before.y - other.y);
    const is = Math.hypot(at.x - other.x, at.y - other.y);
    if (was > 0 && is > 0) this.#zoom(is / was, other);
  }

  #up(event) {
    this.#pointers.delete(event.pointerId);
    this.#stage.classList.remove("moving");
  }
}
