/**
 * A WebSocket client (RFC 6455) of the few parts that a load generator needs. It costs a fraction of
 * a full one, so that what is measured is the server and not its client.
 */

import { connect } from 'node:net';

export interface TextSocket {
  send(text: string): void;
  /** What has come over the network so far, the upgrade's answer included. */
  bytesRead(): number;
  /** Resets the connection: a closed one would hold its port for a minute. */
  destroy(): void;
}

export interface SocketEvents {
  text(text: string): void;
  /** It ended, and not by `destroy`. */
  lost(reason: string): void;
}

const OPCODE = { text: 1, close: 8, ping: 9, pong: 10 } as const;

/** `headers` go into the upgrade request, as a proxy would add them. */
export function openSocket(
  port: number,
  headers: Readonly<Record<string, string>>,
  events: SocketEvents,
): TextSocket {
  let destroyed = false;
  let upgraded = false;
  let rest: Buffer = Buffer.alloc(0);
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  const destroy = () => {
    destroyed = true;
    socket.resetAndDestroy();
  };
  const lost = (reason: string) => {
    if (!destroyed) events.lost(reason);
    destroyed = true;
  };

  const receive = (opcode: number, payload: Buffer) => {
    if (opcode === OPCODE.text) events.text(payload.toString('utf8'));
    else if (opcode === OPCODE.ping) socket.write(frame(OPCODE.pong, payload));
    else if (opcode === OPCODE.close) lost(`closed: ${payload.subarray(2).toString('utf8')}`);
  };

  socket.on('error', (error) => lost(error.message));
  socket.on('close', () => lost('the connection ended'));
  socket.on('data', (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (!upgraded) {
      const end = rest.indexOf('\r\n\r\n');
      if (end === -1) return;
      const status = rest.subarray(0, rest.indexOf('\r\n')).toString('latin1');
      if (!status.includes(' 101 ')) return lost(status);
      upgraded = true;
      rest = rest.subarray(end + 4);
    }
    rest = readFrames(rest, receive, () => destroyed);
  });
  socket.write(upgradeRequest(port, headers));
  return {
    send: (text) => void socket.write(frame(OPCODE.text, Buffer.from(text))),
    bytesRead: () => socket.bytesRead,
    destroy,
  };
}

function upgradeRequest(port: number, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries({
    Host: `127.0.0.1:${port}`,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    // 16 bytes in base64; that the answer fits them is not what is tested here.
    'Sec-WebSocket-Key': 'YmVuY2ggYmVuY2ggYmVuYw==',
    ...headers,
  }).map(([name, value]) => `${name}: ${value}`);
  return `GET / HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

const MASKED = 0x80;
const FINAL = 0x80;

/** A client must mask; with a key of zeros the payload stays as it is. */
function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 6 : length < 65_536 ? 8 : 14);
  head[0] = FINAL | opcode;
  if (length < 126) head[1] = MASKED | length;
  else if (length < 65_536) {
    head[1] = MASKED | 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = MASKED | 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, payload]);
}

/** Hands out the whole frames and returns what is left. The servers here never split a message. */
function readFrames(
  buffer: Buffer,
  receive: (opcode: number, payload: Buffer) => void,
  stopped: () => boolean,
): Buffer {
  let at = 0;
  while (buffer.length - at >= 2 && !stopped()) {
    const opcode = buffer.readUInt8(at) & 0x0f;
    const short = buffer.readUInt8(at + 1);
    const headLength = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (buffer.length - at < headLength) break;
    const length =
      short < 126
        ? short
        : short === 126
          ? buffer.readUInt16BE(at + 2)
          : Number(buffer.readBigUInt64BE(at + 2));
    const end = at + headLength + length;
    if (buffer.length < end) break;
    receive(opcode, buffer.subarray(at + headLength, end));
    at = end;
  }
  return buffer.subarray(at);
}
