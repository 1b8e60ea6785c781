// n8n's verification scan on a folder: `source` as n8n checks it out, `package` as npm ships it. Prints what it found.
import { analyzePackage, SOURCE_FILE_PATTERNS } from '@n8n/scan-community-package/scanner/scanner.mjs';

const [folder, kind] = process.argv.slice(2);
const result = await analyzePackage(folder, kind === 'source' ? SOURCE_FILE_PATTERNS : undefined);
process.stdout.write(JSON.stringify({ passed: result.passed, details: result.details ?? result.message ?? '' }));
