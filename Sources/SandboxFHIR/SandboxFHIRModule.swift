// SandboxFHIR
