import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

// n8n-core reads these when it is loaded, so they are set before any test file is.
const output = join(__dirname, '../../test-output');
mkdirSync(output, { recursive: true });
const userFolder = mkdtempSync(join(output, 'n8n-core-'));
process.env.N8N_USER_FOLDER = userFolder;
process.env.N8N_ENCRYPTION_KEY = 'a key for tests';
process.env.N8N_LOG_LEVEL = 'silent';
// All servers are on this computer.
process.env.NO_PROXY = process.env.no_proxy = '127.0.0.1,localhost';

afterAll(() => rmSync(userFolder, { recursive: true, force: true }));
