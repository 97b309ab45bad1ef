import { BadRequestException, Injectable, NotFoundException } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { Message, MessageThread, User } from './entities';

@Injectable()
export class MessagingService {
  constructor(
    @InjectRepository(MessageThread) private readonly threads: Repository<MessageThread>,
    @InjectRepository(Message) private readonly messages: Repository<Message>,
  ) {}

  /** Stores a message: looks the thread up, inserts, touches the thread. */
  async send(senderId: string, senderType: string, threadId: string, content: string) {
    const thread = await this.threads.findOne({ where: { id: threadId } });
    if (!thread) throw new NotFoundException('Thread not found');
    if (thread.promoterId !== senderId && thread.advertiserId !== senderId) {
      throw new BadRequestException('You do not have access to this thread');
    }
    const message = await this.messages.save(this.messages.create({ threadId, senderId, senderType, content }));
    await this.threads.update(threadId, { lastMessageAt: new Date() });
    return messageJson(message);
  }

  /** Marks what the others wrote in a thread as read. */
  async markThreadAsRead(threadId: string, userId: string): Promise<void> {
    // The original marks all of them each time; only the unread ones is kinder to it, and what it means.
    await this.messages
      .createQueryBuilder()
      .update()
      .set({ isRead: true })
      .where('thread_id = :threadId', { threadId })
      .andWhere('sender_id != :userId', { userId })
      .andWhere('is_read = false')
      .execute();
  }

  async thread(id: string) {
    const thread = await this.threads.findOne({ where: { id }, relations: ['campaign', 'promoter', 'advertiser'] });
    if (!thread) throw new NotFoundException('Thread not found');
    return threadJson(thread);
  }

  /** A page of somebody's threads, each with its newest message and how many are unread. */
  async list(userId: string, limit?: number, page?: number) {
    const query = this.threads
      .createQueryBuilder('thread')
      .leftJoinAndSelect('thread.campaign', 'campaign')
      .leftJoinAndSelect('thread.promoter', 'promoter')
      .leftJoinAndSelect('thread.advertiser', 'advertiser')
      .where('(thread.promoterId = :userId OR thread.advertiserId = :userId)', { userId })
      .orderBy('thread.lastMessageAt', 'DESC');
    if (limit) query.limit(limit);
    if (limit && page) query.offset((page - 1) * limit);
    const threads = await query.getMany();
    return Promise.all(
      threads.map(async (thread) => {
        const [unreadCount, messages] = await Promise.all([this.unread(thread.id, userId), this.last(thread.id)]);
        return { ...threadJson(thread), unreadCount, messages };
      }),
    );
  }

  private unread(threadId: string, userId: string): Promise<number> {
    return this.messages
      .createQueryBuilder('message')
      .where('message.threadId = :threadId', { threadId })
      .andWhere('message.isRead = false')
      .andWhere('message.senderId != :userId', { userId })
      .getCount();
  }

  private async last(threadId: string) {
    const messages = await this.messages
      .createQueryBuilder('message')
      .leftJoinAndSelect('message.sender', 'sender')
      .where('message.threadId = :threadId', { threadId })
      .orderBy('message.createdAt', 'DESC')
      .limit(1)
      .getMany();
    return messages.map(messageJson);
  }
}

function userJson(user?: User) {
  return user && { id: user.id, username: user.name, profilePictureUrl: user.avatarUrl };
}

function messageJson({ id, threadId, senderId, senderType, content, isRead, createdAt, updatedAt, sender }: Message) {
  return { id, threadId, senderId, senderType, content, isRead, createdAt, updatedAt, sender: userJson(sender) };
}

function threadJson(thread: MessageThread) {
  const { id, campaignId, promoterId, advertiserId, subject, lastMessageAt, createdAt, updatedAt, campaign } = thread;
  return {
    id,
    campaignId,
    promoterId,
    advertiserId,
    subject,
    lastMessageAt,
    createdAt,
    updatedAt,
    campaign: campaign && { id: campaign.id, title: campaign.title, isPublic: campaign.isPublic },
    promoter: userJson(thread.promoter),
    advertiser: userJson(thread.advertiser),
  };
}
