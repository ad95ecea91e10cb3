/** Pintail's own version. */
export const VERSION = "0.1.0";
/** The Tempo release whose answers Pintail gives; Grafana decides by it what to offer. */
export const EMULATED_TEMPO = "3.0.3";
