import {
  ConnectedSocket,
  MessageBody,
  OnGatewayConnection,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
} from '@nestjs/websockets';
import { Namespace, Socket } from 'socket.io';
import { Caller, verify } from './auth';
import { MessagingService } from './messaging.service';

type Thread = Awaited<ReturnType<MessagingService['thread']>>;

@WebSocketGateway({ namespace: '/messaging', cors: { origin: '*' } })
export class MessagingGateway implements OnGatewayConnection {
  @WebSocketServer() server: Namespace;

  constructor(private readonly messaging: MessagingService) {}

  async handleConnection(client: Socket): Promise<void> {
    let user: Caller;
    try {
      user = verify(client.handshake.auth.token);
    } catch {
      client.disconnect();
      return;
    }
    client.data.user = user;
    await client.join(`user_${user.id}`);
    client.emit('connected', { userId: user.id, role: user.role, message: 'Connected to messaging' });
  }

  @SubscribeMessage('joinThread')
  async join(@ConnectedSocket() client: Socket, @MessageBody() { threadId }: { threadId: string }) {
    return this.answer(async () => {
      const thread = await this.messaging.thread(threadId);
      const { id } = client.data.user as Caller;
      if (thread.promoterId !== id && thread.advertiserId !== id) throw new Error('Access denied to this thread');
      await client.join(`thread_${threadId}`);
      return { success: true };
    });
  }

  @SubscribeMessage('leaveThread')
  async leave(@ConnectedSocket() client: Socket, @MessageBody() { threadId }: { threadId: string }) {
    await client.leave(`thread_${threadId}`);
    return { success: true };
  }

  @SubscribeMessage('typing')
  async typing(
    @ConnectedSocket() client: Socket,
    @MessageBody() { threadId, isTyping }: { threadId: string; isTyping: boolean },
  ): Promise<void> {
    const { id: userId } = client.data.user as Caller;
    const thread = await this.messaging.thread(threadId).catch(() => undefined);
    if (thread) this.toOthers(thread, userId, 'userTyping', { threadId, userId, isTyping });
  }

  @SubscribeMessage('sendMessage')
  async send(
    @ConnectedSocket() client: Socket,
    @MessageBody() { threadId, content }: { threadId: string; content: string },
  ) {
    return this.answer(async () => {
      const { id, role } = client.data.user as Caller;
      const message = await this.messaging.send(id, role, threadId, content);
      // Who answers has read what was there.
      await this.messaging.markThreadAsRead(threadId, id);
      this.toOthers(await this.messaging.thread(threadId), id, 'newMessage', message);
      return { success: true, message };
    });
  }

  private toOthers(thread: Thread, userId: string, event: string, payload: object): void {
    for (const id of [thread.promoterId, thread.advertiserId]) {
      if (id !== userId) this.server.to(`user_${id}`).emit(event, payload);
    }
  }

  /** What Nest gives to the client's callback. */
  private async answer<T>(work: () => Promise<T>): Promise<T | { success: false; error: string }> {
    try {
      return await work();
    } catch (error) {
      return { success: false, error: (error as Error).message };
    }
  }
}
