// Parses an AsyncAPI document with the initiative's own parser and prints what is wrong with it, or its version.
import { readFileSync } from "node:fs";
import parser from "@asyncapi/parser";

const { document, diagnostics } = await new parser.Parser().parse(readFileSync(process.argv[2], "utf8"));
// Errors and warnings; that there is a newer version is no more than information.
const found = diagnostics.filter((each) => each.severity <= 1);
for (const each of found) console.log(`${each.path.join(".")}: ${each.message}`);
if (document && !found.length) console.log(`AsyncAPI ${document.version()}`);
process.exitCode = document && !found.length ? 0 : 1;
