// Restores a photo through the LD-RPS daemon: node restore.js IN OUT
//
// Both are PNG, JPEG, TIFF or WebP files; no image library is needed. The daemon must be running
// (`ldrps serve`). LDRPS_ADDRESS, LDRPS_TOKEN_FILE and LDRPS_TLS_CA are those of our own clients,
// LDRPS_PROTO is the contract's file, by default the one of this repository.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const os = require('os');
const path = require('path');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');

const CHUNK_BYTES = 1 << 20;
const TRIES = 6;
const FORMATS = { '.png': 'PNG', '.jpg': 'JPEG', '.jpeg': 'JPEG', '.tif': 'TIFF', '.tiff': 'TIFF', '.webp': 'WEBP' };

function loadContract() {
  const here = path.join(__dirname, '..', '..', 'proto', 'ldrps', 'v1', 'restoration.proto');
  const definition = protoLoader.loadSync(process.env.LDRPS_PROTO || here, {
    keepCase: true,
    longs: Number,
    enums: String,
    // Without it every field that has its neutral value, such as layer 0, is undefined.
    defaults: true,
    // Says in `event.kind` and `request.part` which member is set.
    oneofs: true,
  });
  return grpc.loadPackageDefinition(definition).ldrps.v1;
}

// In a folder that others may write to, the socket may be anybody's.
function isOurs(folder) {
  const status = fs.statSync(folder, { throwIfNoEntry: false });
  return status?.isDirectory() && status.uid === process.getuid() && !(status.mode & 0o022);
}

function runFolder() {
  const given = process.env.XDG_RUNTIME_DIR;
  if (given && isOurs(given)) return path.join(given, 'ldrps');
  return path.join(os.homedir(), '.cache', 'ldrps', 'run');
}

// Where to, how, and the metadata that lets us in: nothing more on a unix socket; on TCP the token,
// over TLS to a daemon that shows the certificate beside it, or what LDRPS_TLS_CA signed.
function connection() {
  const address = process.env.LDRPS_ADDRESS || `unix:${path.join(runFolder(), 'ldrps.sock')}`;
  const metadata = new grpc.Metadata();
  if (address.startsWith('unix:')) {
    return { target: address, credentials: grpc.credentials.createInsecure(), metadata };
  }
  const file = process.env.LDRPS_TOKEN_FILE || path.join(runFolder(), 'token');
  metadata.set('authorization', `Bearer ${fs.readFileSync(file, 'utf8').trim()}`);
  const remote = address.startsWith('tls:');
  const trusted = remote ? process.env.LDRPS_TLS_CA : `${file}.pem`;
  const credentials = grpc.credentials.createSsl(trusted ? fs.readFileSync(trusted) : null);
  return { target: remote ? address.slice('tls:'.length) : address, credentials, metadata };
}

function submit(client, metadata, photo, format) {
  return new Promise((resolve, reject) => {
    const call = client.Submit(metadata, (error, answer) => (error ? reject(error) : resolve(answer)));
    const header = {
      file: { size: photo.length },
      result_format: `FILE_FORMAT_${format}`,
      // The same photo may be sent again under this key, if the answer was lost.
      idempotency_key: crypto.randomUUID(),
    };
    call.write({ header });
    for (let start = 0; start < photo.length; start += CHUNK_BYTES) {
      call.write({ chunk: photo.subarray(start, start + CHUNK_BYTES) });
    }
    call.end();
  });
}

// One Watch, until it ends; hands each event on.
function watch(client, metadata, request, onEvent) {
  return new Promise((resolve, reject) => {
    const call = client.Watch(request, metadata);
    call.on('data', onEvent);
    call.on('error', reject);
    call.on('end', resolve);
  });
}

// Watches through broken connections, each time from the event after the last one seen.
async function follow(client, metadata, jobId, onEvent) {
  let next = 1;
  let ended = false;
  for (let failures = 0; !ended; ) {
    try {
      await watch(client, metadata, { job_id: jobId, from_event: next }, (event) => {
        next = event.number + 1;
        failures = 0;
        ended = ended || ['done', 'failed', 'cancelled'].includes(event.kind);
        onEvent(event);
      });
      if (!ended) throw new Error('the daemon ended the events before the job');
    } catch (error) {
      failures += 1;
      if (error.code !== grpc.status.UNAVAILABLE || failures >= TRIES) throw error;
      await new Promise((wake) => setTimeout(wake, 100 * 2 ** failures));
    }
  }
}

async function restore(client, metadata, photo, format) {
  const { job_id: jobId } = await submit(client, metadata, photo, format);
  const chunks = [];
  let failure = null;
  await follow(client, metadata, jobId, (event) => {
    if (event.kind === 'diagnosis') console.log(`found: ${event.diagnosis.words}`);
    if (event.kind === 'layer_chunk') chunks.push(event.layer_chunk.data);
    if (event.kind === 'failed') failure = event.failed;
    if (event.kind === 'cancelled') failure = { reason: 'cancelled', message: event.cancelled.message };
  });
  if (failure) throw new Error(`${failure.message} (${failure.reason})`);
  return Buffer.concat(chunks);
}

async function main() {
  const [input, output] = process.argv.slice(2);
  const format = output && FORMATS[path.extname(output).toLowerCase()];
  if (!format) throw new Error('usage: node restore.js IN OUT, with OUT a .png, .jpg, .tif or .webp');
  const { target, credentials, metadata } = connection();
  const client = new (loadContract().Restoration)(target, credentials);
  try {
    const restored = await restore(client, metadata, fs.readFileSync(input), format);
    fs.writeFileSync(output, restored, { flag: 'wx' }); // never over a file that is there
    console.log(`${input} -> ${output} (${restored.length} bytes)`);
  } finally {
    client.close();
  }
}

main().catch((error) => {
  // A refused call has a sentence and, in its metadata, a word from the contract's list.
  const reason = error.metadata && error.metadata.get('ldrps-reason')[0];
  console.error(`restore.js: ${error.details || error.message}${reason ? ` (${reason})` : ''}`);
  process.exitCode = 1;
});
