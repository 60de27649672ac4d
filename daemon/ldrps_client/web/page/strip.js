// The list of photos: a button each, with its small picture and how it stands.

/** How a photo stands, in a few words. */
export function standing(photo) {
  if (photo.stopping) return "cancelling";
  if (photo.state === "reading") return "being read";
  if (photo.state === "refused") return "cannot be restored";
  if (photo.state === "waiting" || photo.state === "running") {
    return photo.progress.words || "waiting";
  }
  if (photo.trouble) return "not restored";
  return photo.words ?? "";
}

export class Strip {
  #list; #items = new Map();
  #acts;

  /**
   * `acts` has choose(id); small(item), the address of its small picture or null; mark(item), the
   * class of its line; and words(item).
   */
  constructor(list, acts) {
    this.#list = list;
    this.#acts = acts;
    this.#list.addEventListener("keydown", (event) => this.#walk(event));
  }

  show(all, chosen) {
    const ids = new Set(all.map((each) => each.id));
    for (const [id, item] of this.#items) {
      if (!ids.has(id)) {
        item.remove();
        this.#items.delete(id);
      }
    }
    all.forEach((each, at) => {
      if (!this.#items.has(each.id)) this.#add(each);
      const item = this.#items.get(each.id);
      if (this.#list.children[at] !== item) this.#list.insertBefore(item, this.#list.children[at]);
      this.#update(item, each, each.id === chosen);
    });
  }

  /** Give one line the focus, and bring it into sight. */
  focus(id) {
    this.#items.get(id)?.firstChild.focus();
  }

  get hasFocus() { return this.#list.contains(document.activeElement); }

  #add({ id, name }) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.innerHTML = '<i class="blank"></i><span><b></b><small></small></span>';
    button.querySelector("b").textContent = name;
    button.title = name;
    button.addEventListener("click", () => this.#acts.choose(id));
    item.append(button);
    this.#list.append(item);
    this.#items.set(id, item);
  }

  #update(item, each, current) {
    const button = item.firstChild, small = this.#acts.small(each);
    if (small) this.#picture(button, small);
    item.className = this.#acts.mark(each);
    if (button.ariaCurrent !== String(current)) button.ariaCurrent = String(current);
    const text = button.querySelector("small"), words = this.#acts.words(each);
    if (text.textContent !== words) text.textContent = words;
  }

  #picture(button, address) {
    const blank = button.querySelector(".blank"), image = button.querySelector("img");
    if (blank) {
      const image = document.createElement("img");
      image.alt = "";
      image.loading = "lazy";
      image.src = address;
      blank.replaceWith(image);
    } else if (image.getAttribute("src") !== address) {
      image.src = address;
    }
  }

  #walk(event) {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const buttons = [...this.#list.querySelectorAll("button")];
    const next = buttons[buttons.indexOf(document.activeElement) + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.click();
  }
}
