import { Controller, Get, Query, Req, UseGuards } from '@nestjs/common';
import { Caller, JwtGuard } from './auth';
import { MessagingService } from './messaging.service';

@Controller('messaging')
@UseGuards(JwtGuard)
export class MessagingController {
  constructor(private readonly messaging: MessagingService) {}

  @Get('threads')
  threads(@Req() { user }: { user: Caller }, @Query('limit') limit?: string, @Query('page') page?: string) {
    return this.messaging.list(user.id, Number(limit) || undefined, Number(page) || undefined);
  }
}
