// Around all pages: a socket that counts what comes in, and shows a notice. It was not told its own role, so every
// `newMessage` counts, also one of its own user.

import { createContext, useContext, useEffect, useState } from "react";
import { session } from "../env.js";
import { realtime } from "./service.js";

const Notices = createContext({ unread: {}, notice: null, seen: () => {} });

export function NoticeProvider({ role, children }) {
  const [unread, setUnread] = useState({});
  const [notice, setNotice] = useState(null);

  useEffect(() => {
    const socket = realtime.connect(session.token);
    socket.on("newMessage", (message) => {
      if (role && message.senderType === role) return;
      setUnread((before) => ({ ...before, [message.threadId]: (before[message.threadId] ?? 0) + 1 }));
      setNotice(`New message from ${message.sender?.username ?? "Someone"}`);
    });
    // Whoever read it, the own count goes to nought.
    socket.on("threadRead", ({ threadId }) => setUnread((before) => ({ ...before, [threadId]: 0 })));
    socket.on("connect", () => document.body.setAttribute("data-provider", "connected"));
    socket.on("disconnect", () => document.body.setAttribute("data-provider", "disconnected"));
    // Left connected when this ends.
  }, []);

  const seen = (threadId) => {
    setUnread((before) => ({ ...before, [threadId]: 0 }));
    setNotice(null);
  };
  return <Notices.Provider value={{ unread, notice, seen }}>{children}</Notices.Provider>;
}

export const useNotices = () => useContext(Notices);
