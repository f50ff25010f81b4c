// Enforcement
