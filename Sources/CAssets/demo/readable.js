// FHIR values in words.

export function concept(value) {
  if (!value) return "";
  return value.text ?? value.coding?.find((coding) => coding.display)?.display ?? value.coding?.[0]?.code ?? "";
}

export function date(value) {
  return value ? value.slice(0, 10) : "";
}

export function period(value) {
  if (!value) return "";
  return [date(value.start), date(value.end)].filter(Boolean).join(" to ");
}

export function quantity(value) {
  return value ? [value.comparator, value.value, value.unit ?? value.code].filter((part) => part !== undefined).join(" ") : "";
}

export function money(value) {
  if (value?.value === undefined) return "";
  return `${value.value.toFixed(2)} ${value.currency ?? ""}`.trim();
}

export function observed(observation) {
  const own = quantity(observation.valueQuantity) || concept(observation.valueCodeableConcept) || observation.valueString
    || (observation.valueBoolean ?? observation.valueInteger ?? "").toString() || observation.valueDateTime;
  if (own) return own;
  return (observation.component ?? []).map((part) =>
    `${concept(part.code)}: ${quantity(part.valueQuantity) || concept(part.valueCodeableConcept)}`).join("; ");
}

export function person(patient) {
  const name = patient?.name?.[0];
  return name ? name.text ?? [...(name.given ?? []), name.family].filter(Boolean).join(" ") : "";
}

export function reference(value) {
  return value?.display ?? value?.reference ?? "";
}

export function total(claim, category) {
  const found = (claim.total ?? []).find((entry) => entry.category?.coding?.some((coding) => coding.code === category));
  return money(found?.amount);
}
