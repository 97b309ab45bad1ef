-- Tables, keys and indexes as the campaign marketplace's migrations have them, without the triggers that set
-- updated_at again. Ids of users and campaigns are text, enumerations that nothing here reads are text too.

CREATE TYPE user_role AS ENUM ('ADVERTISER', 'PROMOTER', 'ADMIN');
CREATE TYPE message_sender_type AS ENUM ('ADVERTISER', 'PROMOTER', 'ADMIN', 'SYSTEM');
CREATE TYPE campaign_type AS ENUM ('VISIBILITY', 'CONSULTANT', 'SELLER', 'SALESMAN');
CREATE TYPE campaign_status AS ENUM ('ACTIVE', 'PAUSED', 'ENDED');

CREATE TABLE users (
    id text PRIMARY KEY,
    firebase_uid varchar(255) UNIQUE NOT NULL,
    email varchar(255) UNIQUE NOT NULL,
    name varchar(255),
    role user_role,
    created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    is_setup_done boolean DEFAULT FALSE,
    avatar_url text,
    background_url text,
    bio text,
    rating decimal(3, 2),
    tiktok_url text,
    instagram_url text,
    snapchat_url text,
    youtube_url text,
    twitter_url text,
    website_url text,
    stripe_account_id varchar(255),
    wallet_balance decimal(10, 2) DEFAULT 0,
    number_of_visibility_campaign_done integer DEFAULT 0,
    number_of_seller_campaign_done integer DEFAULT 0,
    number_of_salesman_campaign_done integer DEFAULT 0,
    number_of_consultant_campaign_done integer DEFAULT 0
);

CREATE TABLE campaigns (
    id text PRIMARY KEY,
    advertiser_id text REFERENCES users (id) ON DELETE CASCADE,
    title varchar(255) NOT NULL,
    description text NOT NULL,
    type campaign_type NOT NULL,
    is_public boolean DEFAULT FALSE,
    expiry_date timestamptz,
    media_url text,
    status campaign_status DEFAULT 'ACTIVE',
    advertiser_types text[] DEFAULT '{}',
    budget_allocated decimal(10, 2) NOT NULL,
    max_budget decimal(10, 2),
    min_budget decimal(10, 2),
    max_views integer,
    cpv decimal(6, 4),
    tracking_link text,
    current_views integer,
    meeting_plan text,
    meeting_count integer,
    need_meeting boolean,
    expertise_required text,
    expected_deliverables text[],
    deliverables text[],
    seller_requirements text[],
    deadline date NOT NULL,
    start_date date NOT NULL,
    commission_per_sale decimal(5, 2),
    current_sales integer,
    sales_tracking_method text,
    code_prefix varchar(50),
    requirements text[],
    target_audience text,
    preferred_platforms text[],
    min_followers integer DEFAULT 0,
    created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    discord_invite_link text
);

CREATE TABLE message_threads (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    advertiser_id text REFERENCES users (id) ON DELETE CASCADE,
    promoter_id text REFERENCES users (id) ON DELETE CASCADE,
    campaign_id text REFERENCES campaigns (id) ON DELETE CASCADE,
    subject varchar(255),
    last_message_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (advertiser_id, promoter_id, campaign_id)
);

CREATE TABLE messages (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    thread_id uuid REFERENCES message_threads (id) ON DELETE CASCADE,
    sender_id text REFERENCES users (id) ON DELETE CASCADE,
    sender_type message_sender_type NOT NULL,
    content text NOT NULL,
    is_read boolean DEFAULT FALSE,
    created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamptz DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX idx_users_firebase_uid ON users (firebase_uid);
CREATE INDEX idx_users_email ON users (email);
CREATE INDEX idx_users_role ON users (role);
CREATE INDEX idx_campaigns_advertiser_id ON campaigns (advertiser_id);
CREATE INDEX idx_campaigns_status ON campaigns (status);
CREATE INDEX idx_message_threads_advertiser_id ON message_threads (advertiser_id);
CREATE INDEX idx_message_threads_promoter_id ON message_threads (promoter_id);
CREATE INDEX idx_message_threads_campaign_id ON message_threads (campaign_id);
CREATE INDEX idx_message_threads_last_message_at ON message_threads (last_message_at);
CREATE INDEX idx_messages_thread_id ON messages (thread_id);
CREATE INDEX idx_messages_sender_id ON messages (sender_id);
CREATE INDEX idx_messages_sender_type ON messages (sender_type);
CREATE INDEX idx_messages_is_read ON messages (is_read);
CREATE INDEX idx_messages_created_at ON messages (created_at);
