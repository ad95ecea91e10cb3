// Loaded with --import when Pintail is an installed package: Node refuses to strip types of files
// below node_modules, so this does it for Pintail's own files, and only for those.
import { readFileSync } from "node:fs";
import { registerHooks, stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../", import.meta.url).href;

registerHooks({
  load(url, context, nextLoad) {
    const own = url.startsWith(ROOT) && !url.slice(ROOT.length).startsWith("node_modules/");
    if (!own || !/\.ts($|\?)/.test(url)) return nextLoad(url, context);
    const source = stripTypeScriptTypes(readFileSync(fileURLToPath(url), "utf8"));
    return { format: "module", source, shortCircuit: true };
  },
});
