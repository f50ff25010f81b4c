import { explanation, fhir, forget, refresh, revoke, session } from "/app/smart.js";
import { alertBox, element, show, table } from "/app/dom.js";
import { concept, date, money, observed, period, person, reference, total } from "/app/readable.js";

const kinds = [
  { type: "Condition", title: "Conditions", query: "_count=50", columns: [
    ["Condition", (r) => concept(r.code)], ["State", (r) => concept(r.clinicalStatus)],
    ["Since", (r) => date(r.onsetDateTime ?? r.onsetPeriod?.start ?? r.recordedDate)]] },
  { type: "Observation", title: "Observations", query: "_count=50&_sort=-date", columns: [
    ["Date", (r) => date(r.effectiveDateTime ?? r.effectivePeriod?.start)], ["Kind", (r) => concept(r.category?.[0])],
    ["What", (r) => concept(r.code)], ["Result", observed]] },
  { type: "MedicationRequest", title: "Medications", query: "_count=50", columns: [
    ["Medication", (r) => concept(r.medicationCodeableConcept) || reference(r.medicationReference)],
    ["State", (r) => r.status], ["Written on", (r) => date(r.authoredOn)], ["How to take it", (r) => r.dosageInstruction?.[0]?.text]] },
  { type: "ExplanationOfBenefit", title: "Claims", query: "_count=50", columns: [
    ["Service", (r) => period(r.billablePeriod) || date(r.created)], ["Kind", (r) => concept(r.type)],
    ["Provider", (r) => reference(r.provider)], ["State", (r) => `${r.use ?? ""} ${r.outcome ?? r.status ?? ""}`.trim()],
    ["Submitted", (r) => total(r, "submitted")], ["Plan paid", (r) => money(r.payment?.amount) || total(r, "benefit")]] },
];

function showToken() {
  const kept = session();
  document.getElementById("token").hidden = false;
  document.getElementById("other").hidden = !kept.patient;
  show("patient", kept.patient ? `Patient/${kept.patient}` : "none");
  show("scopes", ...kept.scope.split(" ").map((scope) => element("li", {}, element("code", { textContent: scope }))));
  const seconds = Math.max(0, Math.round((kept.expiresAt - Date.now()) / 1000));
  show("expiry", seconds > 0 ? `${Math.ceil(seconds / 60)} more minute(s)` : "no longer; refresh it");
  document.getElementById("refresh").hidden = !kept.refreshToken;
}

/// One kind of record: its first page, and a button for each further one.
function section(kind) {
  const body = element("div", { role: "status", textContent: "Reading…" });
  const card = element("section", { className: "card", id: kind.type }, element("h2", { textContent: kind.title }), body);
  const resources = [];
  async function read(path) {
    const answer = await fhir(path);
    if (answer.status !== 200) {
      body.replaceChildren(alertBox(`${answer.status}: ${explanation(answer)}`));
      return;
    }
    for (const entry of answer.resource.entry ?? []) {
      if (entry.resource?.resourceType === kind.type) resources.push(entry.resource);
    }
    const next = answer.resource.link?.find((link) => link.relation === "next")?.url;
    const more = next ? element("button", { className: "button quiet", type: "button", textContent: "Show more" }) : null;
    more?.addEventListener("click", () => read(next));
    const content = resources.length ? table(`${resources.length} shown`, kind.columns, resources) : element("p", { textContent: "Nothing on record." });
    body.replaceChildren(content, ...(more ? [more] : []));
  }
  read(`${kind.type}?patient=${encodeURIComponent(session().patient)}&${kind.query}`)
    .catch((error) => body.replaceChildren(alertBox(error.message)));
  return card;
}

async function showRecords() {
  const { patient } = session();
  if (!patient) {
    show("tables", alertBox("The token names no patient."));
    return;
  }
  show("tables", ...kinds.map(section));
  const answer = await fhir(`Patient/${encodeURIComponent(patient)}`);
  if (answer.status === 200) show("heading", `Records of ${person(answer.resource) || patient}`);
}

async function askForOther(event) {
  event.preventDefault();
  const id = document.getElementById("other-id").value.trim();
  const lines = [];
  for (const path of [`Patient/${encodeURIComponent(id)}`, `Observation?patient=${encodeURIComponent(id)}`]) {
    lines.push(answerLine(path, await fhir(path)));
  }
  show("other-answer", ...lines);
}

function answerLine(path, answer) {
  const count = answer.resource?.resourceType === "Bundle" ? (answer.resource.entry ?? []).filter((entry) => entry.search?.mode !== "outcome").length : null;
  const refused = answer.status >= 400 || count === 0;
  return element("div", { className: "answer" },
    element("span", { className: `badge ${refused ? "refused" : "answered"}`, textContent: refused ? "Refused" : "Answered" }),
    ` GET ${path} → ${answer.status}`,
    element("pre", { textContent: count === null ? explanation(answer) : `${count} record(s)` }));
}

function on(id, event, action) {
  document.getElementById(id).addEventListener(event, (happened) => {
    Promise.resolve(action(happened)).catch((error) => show("status", alertBox(error.message)));
  });
}

if (!session()) {
  show("status", alertBox("Not connected yet."), element("p", {}, element("a", { href: "/", className: "button", textContent: "Connect" })));
} else {
  showToken();
  on("refresh", "click", async () => { await refresh(); showToken(); await showRecords(); });
  on("revoke", "click", async () => { await revoke(); forget(); location.assign("/"); });
  on("other-form", "submit", askForOther);
  showRecords().catch((error) => show("status", alertBox(error.message)));
}
