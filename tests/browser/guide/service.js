// The messaging service that the guide has its reader write: one socket, REST under /messaging, nothing checked twice.

import io from "socket.io-client";
import { API_URL, WEBSOCKET_URL } from "../env.js";

class Messaging {
  socket = null;
  token = null;

  connect(token) {
    this.token = token;
    this.socket = io(WEBSOCKET_URL, { auth: { token } });
    this.socket.on("connected", (data) => console.log("connected", JSON.stringify(data)));
    this.socket.on("error", (error) => console.error("socket error", JSON.stringify(error)));
    return this.socket;
  }

  disconnect() {
    this.socket?.disconnect();
    this.socket = null;
  }

  // A failed answer is not told from a good one: the guide's reader does not look at the status either.
  async #fetch(path, { method, body } = {}) {
    const headers = { Authorization: `Bearer ${this.token}` };
    if (body) headers["Content-Type"] = "application/json";
    const response = await fetch(`${API_URL}/messaging${path}`, { method, headers, body: body && JSON.stringify(body) });
    return response.json();
  }

  getThreads(page, limit, campaignId) {
    const query = new URLSearchParams();
    if (page) query.append("page", page);
    if (limit) query.append("limit", limit);
    if (campaignId) query.append("campaignId", campaignId);
    return this.#fetch(`/threads?${query}`);
  }

  getMessages(threadId, page, limit) {
    const query = new URLSearchParams();
    if (page) query.append("page", page);
    if (limit) query.append("limit", limit);
    return this.#fetch(`/threads/${threadId}/messages?${query}`);
  }

  createThread(campaignId, promoterId, advertiserId, subject) {
    return this.#fetch("/threads", { method: "POST", body: { campaignId, promoterId, advertiserId, subject } });
  }

  sendMessageHTTP(threadId, content) {
    return this.#fetch(`/threads/${threadId}/messages`, { method: "POST", body: { content } });
  }

  joinThread(threadId) {
    this.socket?.emit("joinThread", { threadId });
  }

  leaveThread(threadId) {
    this.socket?.emit("leaveThread", { threadId });
  }

  sendMessage(threadId, content) {
    this.socket?.emit("sendMessage", { threadId, content });
  }

  sendTyping(threadId, isTyping) {
    this.socket?.emit("typing", { threadId, isTyping });
  }

  markAsRead(threadId) {
    this.socket?.emit("markAsRead", { threadId });
  }

  // Only the message's id goes out, although the caller knows the thread's.
  markMessageAsRead(messageId, _threadId) {
    this.socket?.emit("markAsRead", { messageId });
  }

  onNewMessage(callback) {
    this.socket?.on("newMessage", callback);
  }

  onUserTyping(callback) {
    this.socket?.on("userTyping", callback);
  }

  onMessageRead(callback) {
    this.socket?.on("messageRead", callback);
  }

  onThreadRead(callback) {
    this.socket?.on("threadRead", callback);
  }
}

export const messaging = new Messaging();
