import { CanActivate, ExecutionContext, Injectable, UnauthorizedException } from '@nestjs/common';
import jwt from 'jsonwebtoken';

/** Who a token speaks for. The original asks Firebase and its own users table; here the token says it all. */
export interface Caller {
  id: string;
  role: string;
}

export function verify(token: string): Caller {
  const claims = jwt.verify(token, process.env.JWT_SECRET!, { algorithms: ['HS256'] }) as jwt.JwtPayload;
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
