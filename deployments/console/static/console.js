// Small comforts; every page works without them.
"use strict";

// Editors: line numbers beside the text, and as many rows as it has lines.
function fit(area) {
  const count = area.value.split("\n").length;
  area.rows = Math.max(count, Number(area.dataset.least || 1));
  const gutter = area.parentElement.querySelector(".gutter");
  if (gutter) {
    gutter.textContent = Array.from({ length: count }, (_, at) => at + 1).join("\n");
  }
}

document.addEventListener("input", (event) => {
  if (event.target.matches(".editor textarea, .variables textarea")) {
    fit(event.target);
  }
});

for (const area of document.querySelectorAll(".editor textarea")) {
  area.dataset.least = "6";
  fit(area);
}

// A file that is dropped anywhere on its place counts as chosen; its name is shown in our own words.
document.documentElement.classList.add("scripted");
for (const place of document.querySelectorAll(".drop")) {
  const file = place.querySelector("input[type=file]");
  if (!file) continue;
  const shown = place.querySelector(".chosen");
  const sends = place.querySelector("[data-send-on-choice]");
  for (const name of ["dragover", "dragleave", "drop"]) {
    place.addEventListener(name, (event) => {
      event.preventDefault();
      place.classList.toggle("over", name === "dragover");
      if (name === "drop" && event.dataTransfer.files.length === 1) {
        file.files = event.dataTransfer.files;
        file.dispatchEvent(new Event("change", { bubbles: true }));
      }
    });
  }
  file.addEventListener("change", () => {
    shown.textContent = file.files.length ? file.files[0].name : shown.dataset.none;
    shown.classList.toggle("strong", file.files.length > 0);
    if (sends && file.files.length) sends.click();
  });
}

// Leaving a page with an edit that is not saved asks first.
const edit = document.getElementById("edit");
if (edit) {
  const ask = (event) => event.preventDefault();
  const watch = () => window.addEventListener("beforeunload", ask);
  if ("unsaved" in edit.dataset) watch();
  edit.addEventListener("input", watch);
  edit.addEventListener("submit", () => window.removeEventListener("beforeunload", ask));
}

// "/" jumps to the search field, as in every tool that administrators know.
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.matches("input, textarea, select")) {
    const search = document.getElementById("search");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
});

// A button that was pressed is not pressed twice.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (button && !button.name) {
    setTimeout(() => { button.disabled = true; }, 0);
    window.addEventListener("pageshow", () => { button.disabled = false; }, { once: true });
  }
});
