// The hook: connected is what the server says, not what the transport says; messages are appended as they come,
// unfiltered and not told apart; own ones come back as an echo.

import { useEffect, useState } from "react";
import { messaging } from "./service.js";

export function useMessaging(token) {
  const [me, setMe] = useState(null);
  const [isConnected, setConnected] = useState(false);
  const [messages, setMessages] = useState([]);
  const [threads, setThreads] = useState([]);
  const [typingUsers, setTypingUsers] = useState(new Set());

  useEffect(() => {
    if (!token) return undefined;
    const socket = messaging.connect(token);
    socket.on("connected", (data) => {
      setMe(data);
      setConnected(true);
    });
    socket.on("disconnect", () => setConnected(false));

    messaging.onNewMessage((message) => {
      setMessages((before) => [...before, message]);
      const touched = (thread) => ({ ...thread, lastMessageAt: message.createdAt, messages: [message] });
      setThreads((before) => before.map((thread) => (thread.id === message.threadId ? touched(thread) : thread)));
    });
    messaging.onUserTyping(({ userId, isTyping }) =>
      setTypingUsers((before) => {
        const after = new Set(before);
        if (isTyping) after.add(userId);
        else after.delete(userId);
        return after;
      }),
    );
    messaging.onMessageRead(({ messageId }) =>
      setMessages((before) => before.map((message) => (message.id === messageId ? { ...message, isRead: true } : message))),
    );
    messaging.onThreadRead(({ threadId, userId }) =>
      setMessages((before) =>
        before.map((message) =>
          message.threadId === threadId && message.senderId !== userId ? { ...message, isRead: true } : message,
        ),
      ),
    );
    return () => {
      messaging.disconnect();
      setConnected(false);
    };
  }, [token]);

  return {
    me,
    isConnected,
    messages,
    threads,
    typingUsers,
    loadThreads: async (...query) => setThreads(await messaging.getThreads(...query)),
    loadMessages: async (...query) => setMessages(await messaging.getMessages(...query)),
    createThread: async (...parts) => {
      const thread = await messaging.createThread(...parts);
      setThreads((before) => [thread, ...before]);
      return thread;
    },
    joinThread: messaging.joinThread.bind(messaging),
    leaveThread: messaging.leaveThread.bind(messaging),
    sendMessage: messaging.sendMessage.bind(messaging),
    sendMessageHTTP: messaging.sendMessageHTTP.bind(messaging),
    sendTyping: messaging.sendTyping.bind(messaging),
    markAsRead: messaging.markAsRead.bind(messaging),
    markMessageAsRead: messaging.markMessageAsRead.bind(messaging),
  };
}
