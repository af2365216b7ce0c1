//! tmp
mod ours; mod plain_actix;
use std::time::Duration;
pub fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    text.split(' ').nth(1).expect("has it").parse::<u64>().expect("number") * 4096
}
fn med(n: usize, ops: u64, mut f: impl FnMut() -> Duration) -> f64 {
    let mut v: Vec<f64> = (0..n).map(|_| f().as_nanos() as f64 / ops as f64).collect();
    v.sort_by(|a,b| a.total_cmp(b)); v[n/2]
}
fn main(){
    if let Some(a)=std::env::args().nth(1){ let n=3_000_000; match a.as_str(){ "ask"=>{println!("{:?}",ours::ask(n,false)/n as u32)}, "count"=>{println!("{:?}",ours::counting(n,false)/n as u32)}, "aask"=>{println!("{:?}",plain_actix::ask(n,false)/n as u32)}, "acount"=>{println!("{:?}",plain_actix::counting(n,false)/n as u32)}, "many"=>{println!("{:?}",ours::many(100_000))}, "sky"=>{println!("{:?}",ours::skynet(100_000))}, _=>{} } return }
    let n = 1_000_000;
    for _ in 0..2 {
    println!("counting ours {:.1} actix {:.1}", med(5,n,||ours::counting(n,false)), med(5,n,||plain_actix::counting(n,false)));
    println!("counting cross ours {:.1} actix {:.1}", med(5,n,||ours::counting(n,true)), med(5,n,||plain_actix::counting(n,true)));
    println!("ping ours {:.1} actix {:.1}", med(5,n,||ours::ping_pong(n,false)), med(5,n,||plain_actix::ping_pong(n,false)));
    println!("ask ours {:.1} actix {:.1}", med(5,n,||ours::ask(n,false)), med(5,n,||plain_actix::ask(n,false)));
    }
    println!("restart {:.1}", med(3,20_000,||ours::restart(20_000)));
    println!("many ours {:?} actix {:?}", ours::many(100_000), plain_actix::many(100_000));
    println!("skynet ours {:?} actix {:?}", ours::skynet(100_000), plain_actix::skynet(100_000));
    println!("flooded ours {:?}", ours::flooded(1_000_000));
}
