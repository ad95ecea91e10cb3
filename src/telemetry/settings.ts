export type LogSettings = {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly format: "json" | "logfmt";
};
