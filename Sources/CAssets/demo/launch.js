import { configuration, launch } from "/app/smart.js";
import { alertBox, element, show } from "/app/dom.js";

const status = (...children) => show("status", ...children);

try {
  const settings = await configuration();
  show("base", settings.fhirBase);
  show("wishes", ...settings.wishes.map((wish) => element("li", { textContent: wish })));
  const button = document.getElementById("launch");
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await launch(settings);
    } catch (error) {
      button.disabled = false;
      status(alertBox(`The health plan could not be reached: ${error.message}`));
    }
  });
  // Ready now, and again when the person comes back by the browser's own button.
  button.disabled = false;
  window.addEventListener("pageshow", () => { button.disabled = false; });
} catch (error) {
  status(alertBox(error.message));
}
