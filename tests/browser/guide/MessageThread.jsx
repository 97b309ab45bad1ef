// One open thread. It joins and marks when the server has said `connected`, and says that it types with the first key.

import { useEffect, useState } from "react";

export function MessageThread({ threadId, messaging }) {
  const { me, isConnected, messages, typingUsers, joinThread, leaveThread, loadMessages, markAsRead } = messaging;
  const [text, setText] = useState("");
  const [isTyping, setTyping] = useState(false);

  useEffect(() => {
    if (!isConnected || !threadId) return undefined;
    joinThread(threadId);
    markAsRead(threadId);
    loadMessages(threadId);
    return () => leaveThread(threadId);
  }, [isConnected, threadId]);

  const send = () => {
    if (!text.trim()) return;
    messaging.sendMessage(threadId, text);
    setText("");
    setTyping(false);
    messaging.sendTyping(threadId, false);
  };

  const type = (value) => {
    setText(value);
    if (Boolean(value) !== isTyping) {
      setTyping(Boolean(value));
      messaging.sendTyping(threadId, Boolean(value));
    }
  };

  // The guide shows what it hears in the order it hears it; a history comes newest first, and of any thread.
  const shown = messages
    .filter((message) => message.threadId === threadId)
    .sort((one, other) => one.createdAt.localeCompare(other.createdAt) || one.seq - other.seq);

  return (
    <main className="message-thread">
      <div className="connection-status">
        {isConnected ? (
          <span className="on"><span className="dot" />Connected</span>
        ) : (
          <span className="off"><span className="dot" />Disconnected</span>
        )}
        <span>{shown.length} messages</span>
      </div>
      <div className="messages">
        {shown.toReversed().map((message) => {
          const own = message.senderId === me?.userId;
          const read = own || message.isRead ? undefined : () => messaging.markMessageAsRead(message.id, threadId);
          return (
            <div key={message.id} className={own ? "message own" : "message"} onClick={read}>
              <span className="who">{message.sender?.username}</span>
              {message.content}
              {own && <span className="mark">{message.isRead ? "✓✓ read" : "✓ sent"}</span>}
            </div>
          );
        })}
      </div>
      {typingUsers.size > 0 && <div className="typing-indicator">Someone is typing…</div>}
      <div className="message-input">
        <input
          value={text}
          onChange={(event) => type(event.target.value)}
          onKeyDown={(event) => event.key === "Enter" && send()}
          placeholder="Type a message…"
        />
        <button onClick={send}>Send</button>
      </div>
    </main>
  );
}
