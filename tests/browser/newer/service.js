// One service for the whole tab, connected by two: the provider around all pages, and the open page. Each gets a socket
// of its own, the first is never closed, and what is sent goes out over the latest.

import { io } from "socket.io-client";
import { WEBSOCKET_URL } from "../env.js";

class Realtime {
  socket = null;

  connect(token) {
    this.socket = io(WEBSOCKET_URL, { auth: { token } });
    this.socket.on("error", (error) => console.error("socket error", JSON.stringify(error)));
    return this.socket;
  }

  emit(event, payload) {
    this.socket?.emit(event, payload);
  }
}

export const realtime = new Realtime();
