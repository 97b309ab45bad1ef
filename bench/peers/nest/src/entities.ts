import {
  Column,
  CreateDateColumn,
  Entity,
  Index,
  JoinColumn,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  UpdateDateColumn,
} from 'typeorm';

// The columns are the original's; ids of users and campaigns are text instead of UUIDs, as in the other contestants.

@Entity('users')
export class User {
  @PrimaryColumn({ type: 'varchar' }) id: string;
  @Column({ name: 'firebase_uid', unique: true }) firebaseUid: string;
  @Column({ unique: true }) email: string;
  @Column({ name: 'is_setup_done', default: false }) isSetupDone: boolean;
  @Column() name: string;
  @Column({ type: 'enum', enum: ['ADVERTISER', 'PROMOTER', 'ADMIN'] }) role: string;
  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' }) createdAt: Date;
  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' }) updatedAt: Date;
  @Column({ name: 'avatar_url', type: 'text', nullable: true }) avatarUrl: string | null;
  @Column({ name: 'background_url', type: 'text', nullable: true }) backgroundUrl: string | null;
  @Column({ type: 'text', nullable: true }) bio: string | null;
  @Column({ type: 'decimal', precision: 3, scale: 2, nullable: true }) rating: string | null;
  @Column({ name: 'tiktok_url', type: 'text', nullable: true }) tiktokUrl: string | null;
  @Column({ name: 'instagram_url', type: 'text', nullable: true }) instagramUrl: string | null;
  @Column({ name: 'snapchat_url', type: 'text', nullable: true }) snapchatUrl: string | null;
  @Column({ name: 'youtube_url', type: 'text', nullable: true }) youtubeUrl: string | null;
  @Column({ name: 'twitter_url', type: 'text', nullable: true }) twitterUrl: string | null;
  @Column({ name: 'website_url', type: 'text', nullable: true }) websiteUrl: string | null;
  @Column({ name: 'stripe_account_id', type: 'varchar', nullable: true }) stripeAccountId: string | null;
  @Column({ name: 'wallet_balance', type: 'decimal', precision: 10, scale: 2, default: 0 }) walletBalance: string;
  @Column({ name: 'number_of_visibility_campaign_done', type: 'int', default: 0 }) visibilityDone: number;
  @Column({ name: 'number_of_seller_campaign_done', type: 'int', default: 0 }) sellerDone: number;
  @Column({ name: 'number_of_salesman_campaign_done', type: 'int', default: 0 }) salesmanDone: number;
  @Column({ name: 'number_of_consultant_campaign_done', type: 'int', default: 0 }) consultantDone: number;
}

@Entity('campaigns')
export class Campaign {
  @PrimaryColumn({ type: 'varchar' }) id: string;
  @Column({ name: 'advertiser_id', type: 'varchar' }) advertiserId: string;
  @Column({ type: 'varchar', length: 255 }) title: string;
  @Column({ type: 'text' }) description: string;
  @Column({ type: 'enum', enum: ['VISIBILITY', 'CONSULTANT', 'SELLER', 'SALESMAN'] }) type: string;
  @Column({ name: 'is_public', default: false }) isPublic: boolean;
  @Column({ name: 'expiry_date', type: 'timestamptz', nullable: true }) expiryDate: Date | null;
  @Column({ name: 'media_url', type: 'text', nullable: true }) mediaUrl: string | null;
  @Column({ type: 'enum', enum: ['ACTIVE', 'PAUSED', 'ENDED'], default: 'ACTIVE' }) status: string;
  @Column({ name: 'advertiser_types', type: 'text', array: true, default: [] }) advertiserTypes: string[];
  @Column({ name: 'budget_allocated', type: 'decimal', precision: 10, scale: 2 }) budgetAllocated: string;
  @Column({ name: 'max_budget', type: 'decimal', precision: 10, scale: 2, nullable: true }) maxBudget: string | null;
  @Column({ name: 'min_budget', type: 'decimal', precision: 10, scale: 2, nullable: true }) minBudget: string | null;
  @Column({ name: 'max_views', type: 'int', nullable: true }) maxViews: number | null;
  @Column({ type: 'decimal', precision: 6, scale: 4, nullable: true }) cpv: string | null;
  @Column({ name: 'tracking_link', type: 'text', nullable: true }) trackingLink: string | null;
  @Column({ name: 'current_views', type: 'int', nullable: true }) currentViews: number | null;
  @Column({ name: 'meeting_plan', type: 'varchar', nullable: true }) meetingPlan: string | null;
  @Column({ name: 'meeting_count', type: 'int', nullable: true }) meetingCount: number | null;
  @Column({ name: 'need_meeting', type: 'boolean', nullable: true }) needMeeting: boolean | null;
  @Column({ name: 'expertise_required', type: 'text', nullable: true }) expertiseRequired: string | null;
  @Column({ name: 'expected_deliverables', type: 'text', array: true, nullable: true }) expected: string[] | null;
  @Column({ type: 'text', array: true, nullable: true }) deliverables: string[] | null;
  @Column({ name: 'seller_requirements', type: 'text', array: true, nullable: true }) sellerNeeds: string[] | null;
  @Column({ type: 'date' }) deadline: string;
  @Column({ name: 'start_date', type: 'date' }) startDate: string;
  @Column({ name: 'commission_per_sale', type: 'decimal', precision: 5, scale: 2, nullable: true }) commission: string;
  @Column({ name: 'current_sales', type: 'int', nullable: true }) currentSales: number | null;
  @Column({ name: 'sales_tracking_method', type: 'varchar', nullable: true }) trackSalesVia: string | null;
  @Column({ name: 'code_prefix', type: 'varchar', length: 50, nullable: true }) codePrefix: string | null;
  @Column({ type: 'text', array: true, nullable: true }) requirements: string[] | null;
  @Column({ name: 'target_audience', type: 'text', nullable: true }) targetAudience: string | null;
  @Column({ name: 'preferred_platforms', type: 'text', array: true, nullable: true }) platforms: string[] | null;
  @Column({ name: 'min_followers', type: 'int', nullable: true }) minFollowers: number | null;
  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' }) createdAt: Date;
  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' }) updatedAt: Date;
  @Column({ name: 'discord_invite_link', type: 'text', nullable: true }) discordInviteLink: string | null;
}

@Entity('message_threads')
@Index(['advertiserId', 'promoterId', 'campaignId'], { unique: true })
export class MessageThread {
  @PrimaryGeneratedColumn('uuid') id: string;
  @Column({ name: 'campaign_id', type: 'varchar' }) campaignId: string;
  @Column({ name: 'promoter_id', type: 'varchar' }) promoterId: string;
  @Column({ name: 'advertiser_id', type: 'varchar' }) advertiserId: string;
  @Column({ type: 'varchar', length: 255, nullable: true }) subject: string | null;
  @Column({ name: 'last_message_at', type: 'timestamptz', default: () => 'CURRENT_TIMESTAMP' }) lastMessageAt: Date;
  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' }) createdAt: Date;
  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' }) updatedAt: Date;
  @ManyToOne(() => Campaign) @JoinColumn({ name: 'campaign_id' }) campaign?: Campaign;
  @ManyToOne(() => User) @JoinColumn({ name: 'promoter_id' }) promoter?: User;
  @ManyToOne(() => User) @JoinColumn({ name: 'advertiser_id' }) advertiser?: User;
  @OneToMany(() => Message, (message) => message.thread) messages?: Message[];
}

const SENDERS = ['ADVERTISER', 'PROMOTER', 'ADMIN', 'SYSTEM'];

@Entity('messages')
export class Message {
  @PrimaryGeneratedColumn('uuid') id: string;
  @Column({ name: 'thread_id', type: 'uuid' }) threadId: string;
  @Column({ name: 'sender_id', type: 'varchar' }) senderId: string;
  @Column({ name: 'sender_type', type: 'enum', enum: SENDERS }) senderType: string;
  @Column({ type: 'text' }) content: string;
  @Column({ name: 'is_read', default: false }) isRead: boolean;
  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' }) createdAt: Date;
  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' }) updatedAt: Date;
  @ManyToOne(() => MessageThread, (thread) => thread.messages)
  @JoinColumn({ name: 'thread_id' })
  thread?: MessageThread;
  @ManyToOne(() => User) @JoinColumn({ name: 'sender_id' }) sender?: User;
}
