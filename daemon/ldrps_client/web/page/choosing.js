// Photos from the user: dropped anywhere, or chosen; folders with all that is in them.

const SKIPPED = /^\.|^(thumbs\.db|desktop\.ini)$|\.(xmp|txt|json|pp3|mp4|mov|avi|html?)$/i;

/** Whether a file of a folder may be a photo; the program looks into it anyway. */
const mayBePhoto = (file) => !SKIPPED.test(file.name);

async function filesIn(entry) {
  if (entry.isFile) {
    const file = await new Promise((yes, no) => entry.file(yes, no));
    return mayBePhoto(file) ? [file] : [];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    // Gives a hundred at a time.
    const entries = await new Promise((yes, no) => reader.readEntries(yes, no));
    if (!entries.length) break;
    for (const each of entries) found.push(...await filesIn(each));
  }
  return found;
}

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = [...transfer.files];
  if (!entries.some((entry) => entry.isDirectory)) return files;
  return (await Promise.all(entries.map(filesIn))).flat();
}

/** Calls `onFiles(files)` whenever there are some. */
export function choosing(onFiles) {
  const curtain = document.getElementById("curtain");
  for (const kind of ["files", "folder"]) {
    const input = document.getElementById(kind);
    input.addEventListener("change", () => {
      const files = [...input.files];
      onFiles(kind === "folder" ? files.filter(mayBePhoto) : files);
      input.value = "";
    });
    for (const button of document.querySelectorAll(`[data-choose="${kind}"]`)) {
      button.addEventListener("click", () => input.click());
    }
  }
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    curtain.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) curtain.hidden = true;
  });
  addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    curtain.hidden = true;
    onFiles(await dropped(event.dataTransfer));
  });
}
