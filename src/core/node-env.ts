/**
 * What `NODE_ENV` says. It is the one variable that is read outside the app: warnings for people depend on it, and nothing
 * else does.
 */
export const inProduction = (): boolean => process.env.NODE_ENV === 'production';
export const inTests = (): boolean => process.env.NODE_ENV === 'test';
