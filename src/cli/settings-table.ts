// Prints the settings tables of the README: `node src/cli/settings-table.ts`.
import { settingsReference } from "../config/reference.ts";

process.stdout.write(settingsReference());
