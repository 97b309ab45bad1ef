// Socket.IO's own server with everything in memory: ENGINE=ws (the default one, on node:http) or ENGINE=uws
// (uWebSockets.js). Reads PORT, JWT_SECRET and FIXTURE, the path of the threads' JSON.
import { createSecretKey, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import jwt from 'jsonwebtoken';
import { Server } from 'socket.io';

const { ENGINE = 'ws', FIXTURE } = process.env;
const PORT = Number(process.env.PORT);
// A text would be tried as a public key first, each time.
const KEY = createSecretKey(Buffer.from(process.env.JWT_SECRET));

/** Threads by id: who is in them, and what was said. */
const threads = new Map();
for (const { id, members } of JSON.parse(readFileSync(FIXTURE, 'utf8'))) {
  threads.set(id, { members: new Set(members), messages: [] });
}

const io = new Server({ serveClient: false });
const messaging = io.of('/messaging');

messaging.use((socket, next) => {
  try {
    const { sub, role, name } = jwt.verify(socket.handshake.auth.token, KEY, { algorithms: ['HS256'] });
    socket.data.user = { id: sub, role, name };
    next();
  } catch (error) {
    next(new Error(`Authentication failed: ${error.message}`));
  }
});

messaging.on('connection', (socket) => {
  const { user } = socket.data;
  socket.emit('connected', { userId: user.id, role: user.role, message: 'Connected to messaging' });

  socket.on('joinThread', ({ threadId }, ack) => {
    if (!threads.get(threadId)?.members.has(user.id)) {
      return ack?.({ success: false, error: 'Access denied to this thread' });
    }
    socket.join(threadId);
    ack?.({ success: true });
  });

  socket.on('leaveThread', ({ threadId }, ack) => {
    socket.leave(threadId);
    ack?.({ success: true });
  });

  socket.on('typing', ({ threadId, isTyping }) => {
    if (!socket.rooms.has(threadId)) return;
    socket.to(threadId).emit('userTyping', { threadId, userId: user.id, isTyping });
  });

  socket.on('sendMessage', ({ threadId, content, clientMsgId }, ack) => {
    const thread = threads.get(threadId);
    if (!thread?.members.has(user.id)) {
      return ack?.({ success: false, error: 'You do not have access to this thread' });
    }
    const now = new Date().toISOString();
    const message = {
      id: randomUUID(),
      threadId,
      senderId: user.id,
      senderType: user.role,
      content,
      isRead: false,
      createdAt: now,
      updatedAt: now,
      seq: thread.messages.length + 1,
      clientMsgId,
      sender: { id: user.id, username: user.name, profilePictureUrl: null },
    };
    thread.messages.push(message);
    messaging.to(threadId).emit('newMessage', message);
    ack?.({ success: true, message });
  });
});

function ready(engine) {
  console.error(`engine: ${engine}, Socket.IO's ${io.engine.constructor.name}`);
  console.log('listening');
}

if (ENGINE === 'uws') {
  // A CommonJS package.
  const uws = createRequire(import.meta.url)('@trufflesuite/uws-js-unofficial');
  // Where its binary does not load, the package goes on in JavaScript: that would be another peer.
  if (!uws.App.toString().includes('[native code]')) throw new Error('uWebSockets.js has no binary for this Node');
  const app = uws.App();
  io.attachApp(app);
  app.listen('127.0.0.1', PORT, (token) => {
    if (!token) throw new Error(`cannot listen on ${PORT}`);
    ready('uWebSockets.js');
  });
} else {
  const server = createServer();
  io.attach(server);
  server.listen(PORT, '127.0.0.1', () => ready('ws'));
}

for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
