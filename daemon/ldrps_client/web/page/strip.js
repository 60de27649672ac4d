// The list of photos: a button each, with its small picture and how it stands.

import { picture } from "./api.js";

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
  #list = document.querySelector("#photos ul");
  #items = new Map();
  #choose;

  constructor(choose) {
    this.#choose = choose;
    this.#list.addEventListener("keydown", (event) => this.#walk(event));
  }

  show(photos, chosen) {
    const ids = new Set(photos.map((photo) => photo.id));
    for (const [id, item] of this.#items) {
      if (!ids.has(id)) {
        item.remove();
        this.#items.delete(id);
      }
    }
    for (const photo of photos) {
      if (!this.#items.has(photo.id)) this.#add(photo);
      this.#update(this.#items.get(photo.id), photo, photo.id === chosen);
    }
  }

  #add(photo) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.innerHTML = '<i class="blank"></i><span><b></b><small></small></span>';
    button.querySelector("b").textContent = photo.name;
    button.title = photo.name;
    button.addEventListener("click", () => this.#choose(photo.id));
    item.append(button);
    this.#list.append(item);
    this.#items.set(photo.id, item);
  }

  #update(item, photo, current) {
    const button = item.firstChild;
    if (photo.width && button.querySelector(".blank")) {
      const image = document.createElement("img");
      image.alt = "";
      image.src = picture(photo.id, "small");
      button.querySelector(".blank").replaceWith(image);
    }
    item.className = photo.trouble && photo.state !== "refused" ? "troubled" : photo.state;
    if (button.ariaCurrent !== String(current)) button.ariaCurrent = String(current);
    const text = button.querySelector("small"), words = standing(photo);
    if (text.textContent !== words) text.textContent = words;
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
