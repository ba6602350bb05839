// Shows a figure (SVG text from Python) under its alternative text. What has details can be hovered, focused, clicked:
// its id goes to Python as `chosen`. The figure, its words and its details come in one message, and are drawn at once.

function render({ model, el }) {
  const picture = document.createElement("div");
  picture.className = "durable-sim-picture";
  picture.setAttribute("role", "figure");
  el.appendChild(picture);

  const byId = (id) => picture.querySelectorAll(`[id="${CSS.escape(id)}"]`);

  function choose(id) {
    model.set("chosen", id);
    model.save_changes();
  }

  function makeChoosable(element, id, told) {
    element.classList.add("choosable");
    element.setAttribute("tabindex", "0");
    element.setAttribute("role", "button");
    element.setAttribute("aria-label", told.split("\n")[0]);
    const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
    title.textContent = told;
    element.prepend(title);
    element.addEventListener("click", () => choose(id));
    element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        choose(id);
      }
    });
  }

  function mark() {
    picture.querySelectorAll(".chosen").forEach((element) => element.classList.remove("chosen"));
    const chosen = model.get("chosen");
    if (chosen) byId(chosen).forEach((element) => element.classList.add("chosen"));
  }

  function draw() {
    const { svg, alt, details } = model.get("shown");
    picture.innerHTML = svg;
    for (const [id, told] of Object.entries(details)) {
      byId(id).forEach((element) => makeChoosable(element, id, told));
    }
    mark();
    picture.setAttribute("aria-label", alt);
  }

  model.on("change:shown", draw);
  model.on("change:chosen", mark);
  draw();
  return () => {
    model.off("change:shown", draw);
    model.off("change:chosen", mark);
  };
}

export default { render };
