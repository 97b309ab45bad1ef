import { CanActivate, ExecutionContext, Injectable, UnauthorizedException } from '@nestjs/common';
import { createSecretKey } from 'node:crypto';
import jwt from 'jsonwebtoken';

// A text would be tried as a public key first, each time.
const KEY = createSecretKey(Buffer.from(process.env.JWT_SECRET!));

/** Who a token speaks for. The original asks Firebase and its own users table; here the token says it all. */
export interface Caller {
  id: string;
  role: string;
}

export function verify(token: string): Caller {
  const claims = jwt.verify(token, KEY, { algorithms: ['HS256'] }) as jwt.JwtPayload;
  return { id: claims.sub!, role: claims.role };
}

/** Lets a request with a valid bearer token through, as `request.user`. */
@Injectable()
export class JwtGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest();
    const [scheme, token] = (request.headers.authorization ?? '').split(' ');
    if (scheme !== 'Bearer' || !token) {
      throw new UnauthorizedException('Authentication failed: No valid authorization header found');
    }
    try {
      request.user = verify(token);
    } catch (error) {
      throw new UnauthorizedException(`Authentication failed: Token verification failed: ${(error as Error).message}`);
    }
    return true;
  }
}
