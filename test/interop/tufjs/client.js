// Follows a TUF repository with tuf-js, an implementation that shares no code with ours, and says what it trusts then.
// Usage: node client.js METADATA-FOLDER URL TARGET-PATH
// The folder holds root.json, and keeps what was trusted for the next call. The last line printed is JSON.
'use strict';
const fs = require('fs');
const os = require('os');
const path = require('path');
const { Updater } = require('tuf-js');

async function main([metadataDir, url, target]) {
  const targetDir = fs.mkdtempSync(path.join(os.tmpdir(), 'bailiwick-tufjs-'));
  try {
    const updater = new Updater({
      metadataDir,
      metadataBaseUrl: url + '/metadata',
      targetDir,
      targetBaseUrl: url + '/targets',
      config: { fetchRetry: 0, fetchTimeout: 20000 },
    });
    await updater.refresh();
    const info = await updater.getTargetInfo(target);
    if (!info) {
      return { ok: false, error: 'not listed: ' + target };
    }
    const file = await updater.downloadTarget(info);
    const version = (name) => JSON.parse(fs.readFileSync(path.join(metadataDir, name + '.json'), 'utf8')).signed.version;
    return {
      ok: true,
      root: version('root'),
      timestamp: version('timestamp'),
      snapshot: version('snapshot'),
      data: fs.readFileSync(file).toString('base64'),
    };
  } finally {
    fs.rmSync(targetDir, { recursive: true });
  }
}

main(process.argv.slice(2)).then(
  (answer) => console.log(JSON.stringify(answer)),
  (error) => console.log(JSON.stringify({ ok: false, error: String(error && error.message || error) })),
);
