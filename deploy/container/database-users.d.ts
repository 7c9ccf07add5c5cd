export interface DatabaseUser {
  readonly name: string;
  readonly id: string;
  readonly kind: string;
  readonly type: string;
}
export type Grants = Readonly<Record<string, readonly string[]>>;
export declare function readUsers(text: string, grants: Grants): DatabaseUser[];
export declare function sidOf(id: string): string;
export declare function userScript(user: DatabaseUser, grants: Grants): string;
