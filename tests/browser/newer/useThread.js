// The open thread: joined on `connect`, before the server has said who we are; sent and marked over REST alone; every
// message shown once, by its id.

import { useEffect, useRef, useState } from "react";
import { session } from "../env.js";
import { http } from "./http.js";
import { realtime } from "./service.js";

const TYPING_PAUSE_MS = 1_000;

const once = (messages, message) =>
  messages.some(({ id }) => id === message.id) ? messages : [...messages, message];

export function useThread(threadId, userId) {
  const [isConnected, setConnected] = useState(false);
  const [messages, setMessages] = useState([]);
  const [someoneTypes, setSomeoneTypes] = useState(false);
  const [trouble, setTrouble] = useState(null);
  const pause = useRef();

  const guarded = (work) => work.catch((error) => setTrouble(error.message));
  const markRead = () => guarded(http("PATCH", `/threads/${threadId}/read`));

  useEffect(() => {
    if (!threadId) return undefined;
    const socket = realtime.connect(session.token);
    const load = async () => {
      const newestFirst = await http("GET", `/threads/${threadId}/messages`);
      setMessages((before) => before.reduce(once, newestFirst.toReversed()));
      await markRead();
    };
    socket.on("connect", () => {
      setConnected(true);
      realtime.emit("joinThread", { threadId });
      guarded(load());
    });
    socket.on("disconnect", () => setConnected(false));
    socket.on("newMessage", (message) => {
      if (message.threadId !== threadId) return;
      setMessages((before) => once(before, message));
      if (message.senderId !== userId) markRead();
    });
    socket.on("userTyping", (typing) => typing.threadId === threadId && setSomeoneTypes(typing.isTyping));
    socket.on("threadRead", (read) =>
      setMessages((before) =>
        before.map((message) => (message.senderId === read.userId ? message : { ...message, isRead: true })),
      ),
    );
    return () => {
      realtime.emit("leaveThread", { threadId });
      socket.disconnect();
    };
  }, [threadId]);

  const send = async (content) => {
    stopTyping();
    const message = await guarded(http("POST", `/threads/${threadId}/messages`, { content }));
    if (message) setMessages((before) => once(before, message));
  };
  const stopTyping = () => {
    clearTimeout(pause.current);
    realtime.emit("typing", { threadId, isTyping: false });
  };
  const type = () => {
    clearTimeout(pause.current);
    realtime.emit("typing", { threadId, isTyping: true });
    pause.current = setTimeout(stopTyping, TYPING_PAUSE_MS);
  };
  return { isConnected, messages, someoneTypes, trouble, send, type };
}
