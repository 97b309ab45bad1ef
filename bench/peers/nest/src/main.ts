// What the campaign marketplace does per message and per thread list, on its stack. Reads DATABASE_URL, PORT and
// JWT_SECRET.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Campaign, Message, MessageThread, User } from './entities';
import { MessagingController } from './messaging.controller';
import { MessagingGateway } from './messaging.gateway';
import { MessagingService } from './messaging.service';

/** Connections in the pool: pg's default, which the original keeps. */
const POOL = 10;

/**
 * The parts of `postgres://user:password@host:port/database?host=/folder`. A host that the query names wins, and may
 * be the folder of a Unix socket; `URL` itself refuses a user without a host.
 */
function database(url: string) {
  const parts = /^postgres(?:ql)?:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^:/?]*)(?::(\d+))?\/([^?]*)(?:\?(.*))?$/.exec(url);
  if (!parts) throw new Error('DATABASE_URL is not postgres://…');
  const [, username, password, host, port, name, query] = parts.map((part) => part && decodeURIComponent(part));
  const given = new URLSearchParams(query);
  return {
    host: given.get('host') ?? (host || 'localhost'),
    port: Number(given.get('port') ?? port ?? 5432),
    username: given.get('user') ?? username,
    password,
    database: name,
  };
}

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      ...database(process.env.DATABASE_URL!),
      entities: [User, Campaign, MessageThread, Message],
      synchronize: false,
      installExtensions: false,
      logging: false,
      poolSize: POOL,
    }),
    TypeOrmModule.forFeature([MessageThread, Message]),
  ],
  controllers: [MessagingController],
  providers: [MessagingService, MessagingGateway],
})
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  await app.listen(Number(process.env.PORT), '127.0.0.1');
  console.log('listening');
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
}

void main();
